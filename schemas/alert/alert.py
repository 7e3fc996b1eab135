"""The alert itself: the officer's document, and the document with what the node adds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from schemas.alert import codes, kinds
from schemas.alert.codes import Caveat, Kind, Marking, Mode, Precedence, RelationType, SourceGrade, Status
from schemas.alert.fields import (
    ONE_OR_MORE,
    Address,
    Count,
    Country,
    Hex32,
    Language,
    Line,
    MediaType,
    Moment,
    Part,
    Prose,
    Short,
    Slug,
    Title,
    Url,
    optional,
    refuse,
    required,
    several,
    switch,
)
from schemas.alert.subjects import AnySubject
from schemas.limits import MAX_ATTACHMENT, MAX_ATTACHMENTS, MAX_EXPIRY_MS, MAX_TIME_MS

MAX_EXPIRY_HOURS = MAX_EXPIRY_MS // 3_600_000

AlertId = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z")
]
Milliseconds = Annotated[int, Field(ge=0, le=MAX_TIME_MS)]


class Grading(Part):
    """The Admiralty grading: how reliable the source, how credible the information."""

    source: SourceGrade = required("A completely reliable ... E unreliable, F cannot be judged")
    information: Annotated[int, Field(ge=1, le=6)] = required("1 confirmed ... 5 improbable, 6 cannot be judged")


class Relation(Part):
    """The earlier alert this one answers, follows, corrects or recalls."""

    type: RelationType
    alert: AlertId


class Attachment(Part):
    """A sealed file beside the alert. The node fills this in when it seals the file."""

    name: Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^/\\\x00-\x1f\x7f]+\z")]
    media_type: MediaType
    size: Annotated[int, Field(ge=0, le=MAX_ATTACHMENT)] = required("bytes of the file")
    sealed_size: Annotated[int, Field(ge=0, le=MAX_ATTACHMENT)] = required("bytes of the ciphertext")
    digest: Hex32 = required("SHA-256 of the ciphertext, hexadecimal")
    key: Hex32 = required("the key that opens it, hexadecimal")
    caption: Line | None = optional("what it shows")


class DatedEvent(Part):
    """When something happened, as precisely as it is known, and how the date was come by."""

    event: codes.Event
    date: Moment
    until: Moment | None = optional("last day, when it took several")
    about: bool = switch("the date is approximate")
    basis: codes.DateBasis | None = optional("how the date was come by; left out means stated in the report")
    note: Line | None = None

    @model_validator(mode="after")
    def _ordered(self) -> DatedEvent:
        common = min(len(self.date), len(self.until or self.date), 10)
        if self.until and self.until[:common] < self.date[:common]:
            raise refuse("date-order", "This event ends before it begins.", "Exchange date and until.")
        return self


class Partner(Part):
    """Another agency in the case, with what it did."""

    agency: Slug | None = optional("id in the directory, for members")
    name: Short | None = optional("name, for others")
    country: Country | None = None
    roles: Annotated[list[codes.PartnerRole], ONE_OR_MORE] = several("what it did; left out when not stated")
    note: Line | None = None

    @model_validator(mode="after")
    def _which(self) -> Partner:
        if not (self.agency or self.name):
            raise refuse("needs-one-of", "This partner is not named.", "Give agency (its id) or name.")
        return self


class Link(Part):
    """A connection to another case."""

    type: codes.LinkType
    alert: AlertId | None = optional("id of an alert, when there is one")
    reference: Short | None = optional("an agency's own case reference")
    note: Line | None = None

    @model_validator(mode="after")
    def _which(self) -> Link:
        if not (self.alert or self.reference):
            raise refuse("needs-one-of", "This link leads nowhere.", "Give the alert's id or the case reference.")
        return self


class Revision(Part):
    """A figure that changed: weight, date, route, arrests."""

    what: Short = required("the figure, as a path or in words: quantity of cocaine")
    was: Line
    now: Line
    date: Moment | None = optional("when it changed")
    reason: Line | None = None


class HazardNote(Part):
    """A danger to officers, and what to do about it."""

    hazard: codes.Hazard
    advice: Line | None = None


class ParentOperation(Part):
    """An operation of the reporting agency, which is not an addressable one of the directory."""

    name: Short
    lead: Short | None = optional("who leads it")
    note: Line | None = None


class Scope(Part):
    """How many cases one alert covers, when it is not one: a cluster or series of small finds."""

    cases: Count
    note: Line | None = None


def distinct(values: list[str]) -> list[str]:
    """The list, if nothing stands in it twice. Raises `duplicate`."""
    if len(set(values)) != len(values):
        raise refuse("duplicate", "An entry stands here twice.", "Leave out the repeated one.")
    return values


def _default_precedence(values: dict[str, Any]) -> Precedence:
    return "priority" if values.get("kind") in ("watch", "detection") else "routine"


def _one_or_more(description: str, most: int) -> Any:
    return Field(min_length=1, max_length=most, description=description)


class Document(Part):
    """What an officer or a system writes. Only kind, title and to are always needed."""

    kind: Kind = required("what sort of alert")
    title: Title = required("one line for the inbox")
    to: Annotated[list[Address], ONE_OR_MORE, AfterValidator(distinct)] = _one_or_more(
        "addressees: hk-customs, region:oceania, operation:marker, all", codes.MAX_ADDRESSES
    )
    narrative: Prose | None = optional("the facts in full sentences")
    officer: Short | None = optional("who sends it: name or service number")
    language: Language = "en"
    grading: Grading | None = None
    marking: Marking = "amber"
    caveats: Annotated[list[Caveat], ONE_OR_MORE, AfterValidator(distinct)] = several("limits of use")
    handling: Line | None = optional("limits of use that no caveat covers")
    embargo: Moment | None = optional("not public before")
    status: Status = "actual"
    precedence: Precedence = Field(default_factory=_default_precedence, description="priority for watch and detection")
    operation: Slug | None = optional("the directory's operation it belongs to")
    modes: Annotated[list[Mode], ONE_OR_MORE, AfterValidator(distinct)] = several(
        "transport modes, seen by the routing"
    )
    expires_hours: Annotated[int, Field(ge=1, le=MAX_EXPIRY_HOURS)] | None = optional(
        "not delivered after so many hours"
    )
    relation: Relation | None = None
    references: Annotated[list[Short], ONE_OR_MORE] = several("the sender's own file references")
    sources: Annotated[list[Url], ONE_OR_MORE] = several("public web addresses of the facts")
    attachments: list[Attachment] = several("filled in by the node", MAX_ATTACHMENTS)
    parent_operation: ParentOperation | None = None
    scope: Scope | None = None
    dates: list[DatedEvent] = several("what happened when", codes.MAX_SOME)
    subjects: list[AnySubject] = several("what the alert is about", codes.MAX_SUBJECTS)
    partners: list[Partner] = several("other agencies in the case", codes.MAX_SOME)
    links: list[Link] = several("other cases", codes.MAX_SOME)
    revisions: list[Revision] = several("figures that changed", codes.MAX_SOME)
    hazards: list[HazardNote] = several("dangers to officers")
    watch: kinds.WatchPart | None = None
    method: kinds.MethodPart | None = None
    risk: kinds.RiskPart | None = None
    request: kinds.RequestPart | None = None
    response: kinds.ResponsePart | None = None
    sitrep: kinds.SitrepPart | None = None
    bulletin: kinds.BulletinPart | None = None
    correction: kinds.CorrectionPart | None = None
    recall: kinds.RecallPart | None = None


class Alert(Document):
    """A document that a node has taken in: with its id, its sender and the time it was composed."""

    version: Literal[1] = 1
    id: AlertId
    sender: Slug
    composed: Milliseconds = required("ms since the Unix epoch")
