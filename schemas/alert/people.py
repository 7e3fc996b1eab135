"""Persons, organisations and arrests. Names are optional: most reports work without them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from schemas.alert.codes import ArrestsStatus, OrganisationRole, PersonRole, Sex
from schemas.alert.fields import ONE_OR_MORE, Count, Country, Line, Moment, Short, optional, refuse, several, switch
from schemas.alert.place import Subject

Age = Annotated[int, Field(ge=0, le=120)]


class Person(Subject):
    """A person in the case. A minor is flagged and never named."""

    type: Literal["person"]
    role: PersonRole
    name: Short | None = optional("family name first, as in the document")
    other_names: Annotated[list[Short], ONE_OR_MORE] = several("aliases and other spellings")
    born: Moment | None = optional("date or year of birth")
    age: Age | None = None
    minor: bool = switch("under 18")
    sex: Sex | None = None
    nationality: Country | None = None
    document: Short | None = optional("kind and number of the identity document")
    occupation: Short | None = None
    description: Line | None = optional("itinerary, behaviour, appearance")

    @model_validator(mode="after")
    def _minors(self) -> Person:
        if self.minor and (self.name or self.other_names or self.document):
            raise refuse("minor-named", "A minor is not named.", "Leave out name, other_names and document.")
        return self


class Organisation(Subject):
    """A company or group, with its part in the case; many named companies are victims of identity abuse."""

    type: Literal["organisation"]
    role: OrganisationRole
    name: Short | None = None
    country: Country | None = None
    registration: Short | None = optional("company or tax number")
    address: Line | None = None
    description: Line | None = optional("no shipping history, address is a mailbox ...")

    @model_validator(mode="after")
    def _which(self) -> Organisation:
        if not any((self.name, self.registration, self.description, self.country)):
            raise refuse("needs-one-of", "This organisation says nothing.", "Give a name, registration or description.")
        return self


class Arrests(Subject):
    """Arrests, with 'none' kept apart from 'not stated'."""

    type: Literal["arrests"]
    status: ArrestsStatus
    number: Count | None = optional("how many, when known")
    country: Country | None = optional("where, when arrests fall in several countries")
    minors: Count | None = optional("how many of them under 18")
    date: Moment | None = None
    description: Line | None = optional("when and where in words: two a month later, all bailed")

    @model_validator(mode="after")
    def _agree(self) -> Arrests:
        if self.status != "some" and self.number:
            raise refuse(
                "contradiction", "The number and the status of arrests differ.", "Write status: some, or drop number."
            )
        if self.status == "some" and self.number == 0:
            raise refuse("contradiction", "Zero arrests are not some.", "Write status: none.")
        return self
