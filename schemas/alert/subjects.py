"""The subjects of an alert as one union, told apart by `type`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.alert.conveyance import Carriage, Consignment, Container, Flight, Parcel, Vehicle, Vessel
from schemas.alert.detection import Detection
from schemas.alert.goods import Concealment, Item, Mark, Outcome, Substance, Value
from schemas.alert.people import Arrests, Organisation, Person
from schemas.alert.place import Location, Route

AnySubject = Annotated[
    Container
    | Vessel
    | Vehicle
    | Flight
    | Parcel
    | Consignment
    | Carriage
    | Person
    | Organisation
    | Arrests
    | Location
    | Route
    | Substance
    | Value
    | Item
    | Mark
    | Concealment
    | Detection
    | Outcome,
    Field(discriminator="type"),
]
