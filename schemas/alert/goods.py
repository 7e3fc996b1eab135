"""What was found: substances, their worth, other things, marks that link cases, how it was hidden, what came of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import model_validator

from schemas.alert.codes import (
    ConcealmentMethod,
    FindingStatus,
    ItemKind,
    MarkKind,
    OutcomeResult,
    Qualifier,
    SubstanceForm,
    SubstanceRole,
    Test,
    ValueBasis,
    ValueScope,
)
from schemas.alert.fields import (
    ONE_OR_MORE,
    Amount,
    Count,
    Country,
    Currency,
    Line,
    Moment,
    Part,
    Short,
    optional,
    refuse,
    required,
    several,
)
from schemas.alert.identifiers import CasNumber
from schemas.alert.place import Subject
from schemas.alert.quantity import QuantityField


class LegalClass(Part):
    """What the law calls the substance, at a place and from a date: it differs and it changes."""

    country: Country
    name: Short = required("dangerous drug, scheduled poison, table II precursor ...")
    instrument: Short | None = optional("act and schedule")
    since: Moment | None = optional("in force from")
    until: Moment | None = optional("in force until")


class Substance(Subject):
    """One substance in one form. The same substance in another form or unit is another subject."""

    type: Literal["substance"]
    name: Short
    street_name: Short | None = optional("as sold or as called: space oil, captagon")
    mixture: Annotated[list[Short], ONE_OR_MORE] = several("the substances a mixed total covers")
    cas: CasNumber | None = None
    role: SubstanceRole | None = optional("drug, precursor, poison ...")
    form: SubstanceForm | None = optional("as found")
    form_note: Short | None = optional("the form in words: impregnated textile")
    quantity: QuantityField | None = optional("how much: fields, or text such as 'about 26 kg'")
    other_quantities: list[QuantityField] = several(
        "the same goods counted otherwise: tablets and kilograms, gross and pure"
    )
    packages: Line | None = optional("packing: 100 bricks in four sacks")
    purity_percent: Amount | None = optional("by weight")
    status: FindingStatus | None = optional("suspected until a test says more")
    tests: Annotated[list[Test], ONE_OR_MORE] = several("by which tests")
    origin: Line | None = optional("where it was made, as assessed")
    legal: list[LegalClass] = several("legal class by place and date")

    @model_validator(mode="after")
    def _sound(self) -> Substance:
        if self.status == "confirmed" and not self.tests:
            raise refuse(
                "needs-together",
                "A confirmed substance names the test.",
                "Add tests: laboratory, or write status: suspected.",
            )
        if self.purity_percent is not None and Decimal(self.purity_percent) > 100:
            raise refuse("out-of-range", "Purity is at most 100 percent.", "Correct purity_percent.")
        return self


class Value(Subject):
    """What the goods are said to be worth; whose market and which share it covers decide whether it can be added up."""

    type: Literal["value"]
    amount: Amount
    upper: Amount | None = optional("upper end of a range")
    currency: Currency
    qualifier: Qualifier | None = optional("how exact")
    scope: ValueScope | None = optional("what the figure covers")
    covers: Line | None = optional("the scope in words: the methamphetamine only")
    basis: ValueBasis | None = optional("street, wholesale, declared ...")
    market: Country | None = optional("whose market")
    as_reported: Line | None = optional("the words of the report: VND 700-800 billion")

    @model_validator(mode="after")
    def _ordered(self) -> Value:
        if self.upper is not None and Decimal(self.upper) < Decimal(self.amount):
            raise refuse("out-of-range", "The range ends before it begins.", "Put the lower end into amount.")
        return self


class Item(Subject):
    """Something else seized: firearms, cash, phones, cigarettes."""

    type: Literal["item"]
    kind: ItemKind
    description: Line | None = optional("make, calibre, state")
    count: Count | None = optional("how many")
    amount: Amount | None = optional("of money")
    currency: Currency | None = None
    serial: Short | None = optional("serial or identity number")

    @model_validator(mode="after")
    def _money(self) -> Item:
        if (self.amount is None) != (self.currency is None):
            raise refuse("needs-together", "Money has amount and currency.", "Add the missing one.")
        return self


class Mark(Subject):
    """A physical mark that links cases: a brick's logo, a wrapping, writing on a bale."""

    type: Literal["mark"]
    kind: MarkKind
    description: Line
    found_on: Short | None = optional("on what: bricks, bales, parcels")


class Concealment(Subject):
    """How it was hidden."""

    type: Literal["concealment"]
    method: ConcealmentMethod
    description: Line | None = optional("where exactly, with what tools it opens, how it was noticed")
    counter_measures: Line | None = optional("against search: foil, carbon paper, odour masks, transponder off")


class Outcome(Subject):
    """What came of it, arrests apart: released, destroyed at sea, consignee never found."""

    type: Literal["outcome"]
    result: OutcomeResult
    description: Line | None = optional("in words")
    date: Moment | None = None
