"""What carries the goods: containers, vessels, vehicles, flights, parcels, consignments, and the chain of them.

A chain (mother vessel, feeder, truck) is several subjects with rising `order`. Goods that nothing carried, adrift or
cached, have a `carriage` that says so.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from schemas.alert.codes import CarriageMeans, ConveyanceRole, LoadState, Mode, VesselKind
from schemas.alert.fields import (
    ONE_OR_MORE,
    Count,
    Country,
    Line,
    Moment,
    Short,
    optional,
    refuse,
    several,
    switch,
)
from schemas.alert.identifiers import AirWaybill, ContainerNumber, FlightNumber, HsCode, ImoNumber, Mmsi
from schemas.alert.place import Subject
from schemas.alert.quantity import QuantityField

Order = Annotated[int, Field(ge=1, le=99)]


class Container(Subject):
    """A shipping container, by number or, where that is not known, by description."""

    type: Literal["container"]
    number: ContainerNumber | None = None
    size: Literal["20", "40", "45", "other"] | None = optional("length in feet")
    kind: Literal["dry", "reefer", "tank", "flat-rack", "open-top", "other"] | None = optional("what it is built for")
    count: Count | None = optional("how many, when several alike are meant")
    of: Count | None = optional("size of the whole shipment: one of 17")
    load: LoadState | None = optional("one shipper's full load, or groupage")
    seals: Annotated[list[Short], ONE_OR_MORE] = several("seal numbers as found")
    seals_declared: Annotated[list[Short], ONE_OR_MORE] = several("seal numbers in the documents, where they differ")
    order: Order | None = optional("place in the chain of carriage")

    @model_validator(mode="after")
    def _which(self) -> Container:
        if not (self.number or self.count or self.size or self.kind or self.note):
            raise refuse(
                "needs-one-of", "This container cannot be told from others.", "Give its number, or count, size or kind."
            )
        return self


class Vessel(Subject):
    """A ship or boat; unnamed ones are common in public reports."""

    type: Literal["vessel"]
    name: Short | None = optional("as painted or registered, without M/V")
    other_names: Annotated[list[Short], ONE_OR_MORE] = several("other spellings and former names")
    imo: ImoNumber | None = None
    mmsi: Mmsi | None = None
    call_sign: Short | None = optional("radio call sign")
    flag: Country | None = None
    stateless: bool = switch("without nationality")
    kind: VesselKind | None = optional("what sort of vessel")
    description: Line | None = optional("size, colour, rig: bulk carrier of about 32,000 tons")
    role: ConveyanceRole | None = optional("its part in the chain")
    order: Order | None = optional("place in the chain of carriage")
    voyage: Short | None = optional("voyage number")

    @model_validator(mode="after")
    def _which(self) -> Vessel:
        if not any((self.name, self.imo, self.mmsi, self.call_sign, self.description, self.kind, self.note)):
            raise refuse(
                "needs-one-of", "This vessel cannot be told from others.", "Give a name, imo, mmsi or description."
            )
        if self.stateless and self.flag:
            raise refuse("contradiction", "A stateless vessel has no flag.", "Leave out stateless or flag.")
        return self


class Vehicle(Subject):
    """A truck, car, trailer, rail wagon or light aircraft without a flight number."""

    type: Literal["vehicle"]
    kind: Literal["truck", "van", "car", "motorcycle", "trailer", "rail-wagon", "light-aircraft", "other"]
    plate: Short | None = optional("registration as displayed")
    country: Country | None = optional("country of registration")
    description: Line | None = optional("make, model, colour")
    count: Count | None = optional("how many, when several alike are meant")
    role: ConveyanceRole | None = optional("its part in the chain")
    order: Order | None = optional("place in the chain of carriage")


class Flight(Subject):
    """A flight by number, or by airline and city pair when the number is withheld."""

    type: Literal["flight"]
    number: FlightNumber | None = None
    airline: Short | None = optional("operating airline")
    description: Line | None = optional("city pair: from Sao Paulo via Paris")
    date: Moment | None = None
    order: Order | None = optional("place in the chain of carriage")

    @model_validator(mode="after")
    def _which(self) -> Flight:
        if not any((self.number, self.airline, self.description)):
            raise refuse(
                "needs-one-of", "This flight cannot be told from others.", "Give number, airline or description."
            )
        return self


class Parcel(Subject):
    """Postal or express parcels."""

    type: Literal["parcel"]
    tracking: Annotated[list[Short], ONE_OR_MORE] = several("tracking numbers", 64)
    operator: Short | None = optional("post or courier")
    count: Count | None = optional("how many")
    description: Line | None = optional("size, wrapping, sender's handwriting")
    order: Order | None = optional("place in the chain of carriage")

    @model_validator(mode="after")
    def _which(self) -> Parcel:
        if not (self.tracking or self.operator or self.count or self.description):
            raise refuse("needs-one-of", "This parcel says nothing.", "Give tracking, operator, count or description.")
        return self


class Consignment(Subject):
    """What the papers say and what was there: declared goods, actual goods and the cover load, each apart."""

    type: Literal["consignment"]
    bill_of_lading: Short | None = optional("number of the bill of lading")
    air_waybill: AirWaybill | None = None
    house_waybill: Short | None = optional("forwarder's own waybill number")
    declaration: Short | None = optional("customs declaration number")
    hs_codes: Annotated[list[HsCode], ONE_OR_MORE] = several("as declared")
    declared_goods: Line | None = optional("what the documents say")
    actual_goods: Line | None = optional("what the load was, drugs apart, when it differs")
    cover_goods: Line | None = optional("what the drugs travelled with or as")
    declared_weight: QuantityField | None = optional("weight in the documents")
    declared_value: Short | None = optional("value in the documents, with currency")
    packages: Count | None = optional("packages in the load")
    packages_affected: Count | None = optional("packages that held drugs")
    shipper: Short | None = optional("as declared")
    consignee: Short | None = optional("as declared")

    @model_validator(mode="after")
    def _which(self) -> Consignment:
        plain = {"type", "label", "within", "invented"}
        if not any(getattr(self, name) for name in type(self).model_fields if name not in plain):
            raise refuse("needs-one-of", "This consignment says nothing.", "Give a number, or the goods.")
        return self


class Carriage(Subject):
    """One leg or way of carriage in plain words; also the place to say that nothing carried the goods."""

    type: Literal["carriage"]
    means: CarriageMeans
    mode: Mode | None = optional("transport mode of this leg")
    as_reported: Line | None = optional("the words of the report: '5 air parcels'")
    count: Count | None = optional("how many consignments, parcels or travellers")
    order: Order | None = optional("place in the chain of carriage")
