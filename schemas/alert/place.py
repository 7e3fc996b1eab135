"""Places and routes, as precise as a report has them: a terminal, a country, or 'South America'."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, model_validator

from schemas.alert.codes import Certainty, Direction, PlaceKind, PlaceRole
from schemas.alert.fields import (
    Amount,
    Country,
    Label,
    Line,
    Part,
    Short,
    Signed,
    optional,
    refuse,
    required,
    several,
    switch,
)
from schemas.alert.identifiers import Locode


class Bearing(Part):
    """A position given from a known point: 8 nautical miles off Barren Island."""

    distance: Amount = required("how far")
    unit: Literal["nm", "km", "m"] = "nm"
    direction: Short | None = optional("compass direction or bearing: south-west, 230")
    of: Short = required("the point it is measured from")


class Place(Part):
    """A place. At least one of name, country, UN/LOCODE, region or coordinates."""

    name: Short | None = optional("as the report calls it: Cat Lai Port, stash house in Nadi")
    country: Country | None = None
    unlocode: Locode | None = None
    region: Short | None = optional("an area no code fits: South America, Middle East")
    kind: PlaceKind | None = optional("what sort of place")
    relative: Bearing | None = optional("position from a known point")
    latitude: Signed | None = optional("decimal degrees, south negative")
    longitude: Signed | None = optional("decimal degrees, west negative")

    @model_validator(mode="after")
    def _somewhere(self) -> Place:
        if not any((self.name, self.country, self.unlocode, self.region, self.relative, self.latitude)):
            raise refuse(
                "needs-one-of", "This place says nothing.", "Give a name, country, unlocode, region or coordinates."
            )
        if (self.latitude is None) != (self.longitude is None):
            raise refuse("needs-together", "Coordinates are a pair.", "Give latitude and longitude, or neither.")
        for degrees, most in ((self.latitude, 90), (self.longitude, 180)):
            if degrees is not None and abs(Decimal(degrees)) > most:
                raise refuse("out-of-range", f"{degrees} degrees is not on the Earth.", f"Stay within {most} degrees.")
        return self


class Stop(Place):
    """A place on a route, with how sure it is and who says so."""

    certainty: Certainty | None = optional("left out means stated in the report")
    according_to: Short | None = optional("who says so, where reports or agencies disagree")
    note: Line | None = optional("dates, vessels, doubts")


def _stop(value: object) -> object:
    """Read `MX` as a country and `THLCH` as a UN/LOCODE; other text is the name of a region."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if len(text) == 2:
        return {"country": text}
    if len(text) == 5 and text.isupper():
        return {"unlocode": text}
    return {"region": text}


def _stops(value: object) -> object:
    return [value] if isinstance(value, str | dict) else value


StopField = Annotated[Stop, BeforeValidator(_stop, json_schema_input_type=str | Stop)]
Stops = Annotated[list[StopField], BeforeValidator(_stops, json_schema_input_type=str | Stop | list[str | Stop])]


class Subject(Part):
    """What all subjects share."""

    label: Label | None = optional("a name inside this document, so that other subjects can point here: box-1")
    within: Label | None = optional("label of the subject that holds this one: the container of a substance")
    invented: bool = switch("the identifiers here are made up for exercises and tests")
    note: Line | None = optional("anything else a reader needs about this subject")


class Location(Subject, Place):
    """Where something happened or is expected."""

    type: Literal["location"]
    role: PlaceRole | None = optional("what happened there")


class Route(Subject):
    """The way of the goods, whole or partial; several origins or destinations may stand side by side."""

    type: Literal["route"]
    direction: Direction | None = optional("seen from the reporting agency")
    origin: Stops = several("where the goods come from")
    transit: Stops = several("on the way, in order")
    destination: Stops = several("where they go, or were believed to go")
    incomplete: bool = switch("parts of the route are known to be missing")

    @model_validator(mode="after")
    def _somewhere(self) -> Route:
        if not (self.origin or self.transit or self.destination):
            raise refuse(
                "needs-one-of", "This route has no place.", "Give origin, transit or destination, if only a region."
            )
        return self
