"""How it was found: an ordered chain of steps, from what led to selection to what followed the confirmation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.alert.codes import MAX_SOME, Method, Result, Stage
from schemas.alert.fields import Amount, Country, Line, Moment, Part, Short, optional
from schemas.alert.place import Subject


class Instrument(Part):
    """The device or dog behind a reading."""

    kind: Short | None = optional("mobile X-ray, ion mobility spectrometer, Raman spectrometer, detector dog")
    make: Short | None = optional("manufacturer")
    model: Short | None = optional("model and software or library version")
    serial: Short | None = optional("serial number, or the dog's service number")
    operator: Short | None = optional("officer, handler or team")


class Reading(Part):
    """What the instrument showed."""

    substance: Short | None = optional("what it named")
    value: Amount | None = optional("the figure shown")
    unit: Short | None = optional("its unit: percent match, counts, kg")
    threshold: Amount | None = optional("the alarm threshold in the same unit")
    library_match_percent: Amount | None = optional("spectral match")
    anomaly: Line | None = optional("image anomaly or a dog's change of behaviour, in words")
    attachment: Short | None = optional("name of the attached image or spectrum")


class Step(Part):
    """One step of the chain; the order of the list is the order of events."""

    stage: Stage
    method: Method
    result: Result | None = optional("what it gave")
    by: Short | None = optional("who did it")
    country: Country | None = optional("where, if in another country")
    at: Moment | None = optional("when")
    instrument: Instrument | None = optional("device or dog")
    reading: Reading | None = optional("what it showed")
    note: Line | None = optional("what was noticed: erratic tracks, loose screws")


class Detection(Subject):
    """The chain of detection."""

    type: Literal["detection"]
    steps: Annotated[list[Step], Field(min_length=1, max_length=MAX_SOME)]
