"""The part of an alert that belongs to its kind: what to watch for, what is asked, the figures of an operation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from schemas.alert.codes import MAX_SOME, BulletinTopic, Mode, Qualifier, WatchAction
from schemas.alert.fields import (
    ONE_OR_MORE,
    Amount,
    Count,
    Currency,
    Line,
    Moment,
    Part,
    Prose,
    Short,
    Signed,
    optional,
    refuse,
    required,
    several,
    switch,
)
from schemas.alert.quantity import QuantityField

Lines = Annotated[list[Line], ONE_OR_MORE]
SomeLines = Annotated[list[Line], ONE_OR_MORE, Field(min_length=1, max_length=MAX_SOME)]


class Period(Part):
    """From a first to a last day, both included."""

    first: Moment
    last: Moment

    @model_validator(mode="after")
    def _ordered(self) -> Period:
        common = min(len(self.first), len(self.last), 10)
        if self.last[:common] < self.first[:common]:
            raise refuse("date-order", "The period ends before it begins.", "Exchange first and last.")
        return self


class WatchPart(Part):
    """Look out for the subjects: until when, and what to do on sight."""

    actions: Annotated[list[WatchAction], ONE_OR_MORE] = several("what the sender asks for")
    first: Moment | None = optional("not expected before")
    until: Moment | None = optional("no longer of interest after")
    reason: Line | None = optional("why, as far as it may be said")
    on_sight: Line | None = optional("whom to tell and how, what not to do")


class MethodPart(Part):
    """A modus operandi: how to recognise it."""

    indicators: SomeLines
    countermeasures: Lines = several("what works against it", MAX_SOME)
    seen: Count | None = optional("times seen so far")


class RiskPart(Part):
    """An indicator or profile for selection."""

    indicators: SomeLines
    applies_to: Line | None = optional("trade lane, goods or traffic")
    valid_until: Moment | None = optional("drop it after")
    hit_rate: Line | None = optional("experience with it: 3 finds in 41 selections")


class RequestPart(Part):
    """Questions to partners."""

    questions: SomeLines
    reason: Line | None = optional("why it is needed")
    reply_by: Moment | None = optional("when an answer still helps")


class ResponsePart(Part):
    """Answers to a request, in the order of its questions."""

    answers: SomeLines
    complete: bool = switch("nothing more will follow")


class CorrectionPart(Part):
    """What changed against the alert named in `relation`, which this document replaces as a whole."""

    reason: Line
    changed: Lines = several("what is different now, in words", MAX_SOME)


class RecallPart(Part):
    """Why the alert named in `relation` is withdrawn."""

    reason: Line


class BulletinPart(Part):
    """Practice and training, dogs included."""

    topic: BulletinTopic
    points: SomeLines
    equipment: Lines = several("instruments, aids, training material")
    contact: Line | None = optional("who knows more")


class DrugFigures(Part):
    """Totals of one drug. Medians stand beside totals because one outlier can dominate a sum."""

    name: Short
    cases: Count | None = None
    total: QuantityField | None = None
    median: QuantityField | None = None
    largest: QuantityField | None = None


class ModeFigures(Part):
    """Share of one transport mode."""

    mode: Mode
    cases: Count | None = None
    percent: Amount | None = None


class CountFigure(Part):
    """Any other published count: arrests abroad, database hits, wildlife cases."""

    what: Short
    number: Count
    qualifier: Qualifier | None = None


class MoneyFigure(Part):
    """A value in one currency and what it covers."""

    amount: Amount
    currency: Currency
    covers: Line | None = None


class Messages(Part):
    """Messages exchanged; their number is not tied to the number of cases."""

    alerts: Count | None = None
    feedback: Count | None = None
    newsletters: Count | None = None
    all: Count | None = None


class Comparison(Part):
    """Against an earlier period."""

    period: Period | None = None
    what: Short = "cases"
    earlier: Count | None = None
    change_percent: Signed | None = None
    note: Line | None = None


class SitrepPart(Part):
    """An operation's figures. Owners of one operation count differently, so `counting` says what is counted."""

    period: Period
    as_at: Moment = required("when these figures were taken")
    counting: Line
    agencies: Count | None = optional("agencies taking part")
    organisations: Count | None = optional("supporting organisations")
    cases: Count | None = optional("cases or seizures")
    cases_qualifier: Qualifier | None = optional("how exact: over 170 cases")
    drugs: list[DrugFigures] = several("one line per drug", MAX_SOME)
    arrests: Count | None = None
    value: list[MoneyFigure] = several("one per currency")
    modes: list[ModeFigures] = several("share by transport mode")
    messages: Messages | None = None
    counts: list[CountFigure] = several("other figures", MAX_SOME)
    comparisons: list[Comparison] = several("against earlier periods")
    assessment: Prose | None = optional("what the figures mean")
