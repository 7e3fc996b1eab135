"""Hypothesis strategies for alert documents, derived from the types, so that a new field is covered by being there."""

from __future__ import annotations

import types
from functools import cache, partial
from typing import Any, Literal, Union, get_args, get_origin

from hypothesis import assume, reject
from hypothesis import strategies as st
from iso3166 import countries_by_alpha2
from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic_core import PydanticUndefined
from stdnum import casrn, imo, iso6346

from schemas.alert import codes, fields, identifiers, place, quantity
from schemas.alert.alert import Document
from schemas.alert.document import check_document
from schemas.alert.rules import PARTS

MINIMAL: dict[str, Any] = {
    "kind": "watch",
    "title": "Watch for a container",
    "to": ["sg-cnb"],
    "subjects": [{"type": "container", "number": "CSQU3054383"}],
}

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Zl", "Zp", "Cs", "Cn")), min_size=1)
_SAFE = _TEXT.map(str.strip).filter(lambda t: 0 < len(t) <= 30)
_DECIMALS = st.decimals(0, 10**9, places=3, allow_nan=False, allow_infinity=False)
_AMOUNTS = st.one_of(st.integers(0, 10**9), _DECIMALS, _DECIMALS.map(str), st.floats(0, 1e6).map(lambda f: round(f, 3)))
_DATES = st.one_of(
    st.dates().map(str),
    st.dates(),
    st.integers(1900, 2100),
    st.dates().map(lambda d: f"{d:%Y-%m}" if d.year > 999 else "2026-01"),
    st.dates().map(lambda d: f"{d}T08:30Z"),
)


def _containers() -> st.SearchStrategy[str]:
    numbers = st.tuples(st.text("ABCXYZ", min_size=3, max_size=3), st.sampled_from("UJZ"), st.integers(0, 999999))
    return numbers.map(lambda t: f"{t[0]}{t[1]}{t[2]:06d}").map(lambda n: n + iso6346.calc_check_digit(n))


def _cas() -> st.SearchStrategy[str]:
    def number(parts: tuple[int, int]) -> str:
        head = f"{parts[0]}-{parts[1]:02d}"
        return f"{head}-{casrn.calc_check_digit(head.replace('-', ''))}"

    return st.tuples(st.integers(50, 9999999), st.integers(0, 99)).map(number)


_IMOS = st.integers(100000, 999999).map(str).map(lambda n: n + imo.calc_check_digit(n))
_WAYBILLS = st.integers(0, 9999999).map(lambda n: f"160{n:07d}{n % 7}")


def _validator_of(alias: Any) -> Any:
    """The function of the first BeforeValidator of an annotated type, by which its fields are recognised."""
    return next(m.func for m in alias.__metadata__ if isinstance(m, BeforeValidator))


_BY_VALIDATOR: dict[Any, st.SearchStrategy[Any]] = {
    _validator_of(fields.Short): _SAFE,
    _validator_of(fields.Prose): st.lists(_SAFE, min_size=1, max_size=3).map("\n".join),
    _validator_of(fields.Url): st.just("https://example.org/a?b=1"),
    _validator_of(fields.Language): st.sampled_from(["en", "zh-Hant", "pt-BR"]),
    _validator_of(fields.Slug): st.sampled_from(["marker", "hk-customs", "a1"]),
    _validator_of(fields.Address): st.sampled_from(["hk-customs", "sg-cnb", "nz-customs", "au-abf"]),
    _validator_of(fields.MediaType): st.just("image/png"),
    _validator_of(fields.Signed): st.integers(-80, 80) | st.decimals(-80, 80, places=4),
    _validator_of(fields.Amount): _AMOUNTS,
    _validator_of(fields.Moment): _DATES,
    _validator_of(fields.Country): st.sampled_from(sorted(countries_by_alpha2)).flatmap(
        lambda c: st.sampled_from([c, c.lower()])
    ),
    _validator_of(fields.Currency): st.sampled_from(sorted(codes.CURRENCIES)),
    _validator_of(identifiers.ContainerNumber): _containers(),
    _validator_of(identifiers.ImoNumber): _IMOS | _IMOS.map(lambda n: f"IMO {n}") | _IMOS.map(int),
    _validator_of(identifiers.Mmsi): st.integers(200000000, 799999999) | st.just("512000123"),
    _validator_of(identifiers.CasNumber): _cas(),
    _validator_of(identifiers.Locode): st.sampled_from(["HKHKG", "sgsin", "PA BLB"]),
    _validator_of(identifiers.HsCode): st.sampled_from(["7204.49", "0811", "290511", 2905]),
    _validator_of(identifiers.FlightNumber): st.sampled_from(["MH6127", "cx 100"]),
    _validator_of(identifiers.AirWaybill): _WAYBILLS,
    _validator_of(quantity.UnitSymbol): st.sampled_from([*quantity.UNITS, "KGM", "pills", "tonnes"]),
}
_SHORTHANDS: dict[Any, st.SearchStrategy[Any]] = {
    _validator_of(quantity.QuantityField): st.sampled_from(["about 26 kg", "1,250.5 g", "3004 tablets", "over 2 t"]),
    _validator_of(place.StopField): st.sampled_from(["MX", "THLCH", "South America"]),
    _validator_of(place.Stops): st.sampled_from(["MX", ["HK", "SGSIN"]]),
}


def _values(annotation: Any, metadata: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    while hasattr(annotation, "__metadata__"):
        metadata = (*annotation.__metadata__, *metadata)
        annotation = annotation.__origin__
    for validator in (m.func for m in metadata if isinstance(m, BeforeValidator)):
        if validator in _BY_VALIDATOR or (isinstance(validator, partial) and validator.keywords == {"lines": False}):
            return _BY_VALIDATOR.get(validator, _SAFE)
        if validator in _SHORTHANDS:
            return _SHORTHANDS[validator] | _plain(annotation, metadata)
    return _plain(annotation, metadata)


def _plain(annotation: Any, metadata: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    origin = get_origin(annotation)
    if origin is Literal:
        return st.sampled_from(get_args(annotation))
    if origin in (Union, types.UnionType):
        members = [a for a in get_args(annotation) if a is not type(None)]
        return st.one_of(*(_values(member) for member in members))
    if origin is list:
        return st.lists(_values(get_args(annotation)[0]), min_size=1, max_size=2, unique_by=repr)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return sound(annotation)
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        low = max((m.ge for m in metadata if hasattr(m, "ge")), default=0)
        high = min((m.le for m in metadata if hasattr(m, "le")), default=10**6)
        return st.integers(low, high)
    pattern = next((m.pattern for m in metadata if getattr(m, "pattern", None)), None)
    return st.from_regex(_PATTERNS.get(str(pattern), r"[a-z0-9]{1,20}"), fullmatch=True)


_PATTERNS = {
    r"^[0-9a-f]{64}\z": r"[0-9a-f]{64}",
    r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z": (
        r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    ),
}


def _accepted(model: type[BaseModel], value: dict[str, Any]) -> bool:
    try:
        model.model_validate(value)
    except ValidationError:
        return False
    return True


@cache
def _any_fields(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    needed: dict[str, st.SearchStrategy[Any]] = {}
    free: dict[str, st.SearchStrategy[Any]] = {}
    for name, field in model.model_fields.items():
        values = _values(field.annotation, tuple(field.metadata))
        (needed if field.is_required() else free)[name] = values
    return st.fixed_dictionaries(needed, optional=free)


@st.composite
def sound(draw: st.DrawFn, model: type[BaseModel]) -> dict[str, Any]:
    """Draw a part of one type that its own rules accept."""
    for _ in range(20):
        value = draw(_any_fields(model))
        if _accepted(model, value):
            return value
    return reject()


def subjects() -> st.SearchStrategy[dict[str, Any]]:
    """One subject of any type."""
    union = Document.model_fields["subjects"].annotation
    members = get_args(get_args(get_args(union)[0])[0])
    return st.one_of(*(sound(member) for member in members))


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a whole document without errors: a sound watch with any of the other fields and any subjects."""
    document = draw(_documents())
    assume(not any(p.severity == "error" for p in check_document(document)))
    return document


@cache
def _documents() -> st.SearchStrategy[dict[str, Any]]:
    free = {
        name: _values(field.annotation, tuple(field.metadata))
        for name, field in Document.model_fields.items()
        if field.default is not PydanticUndefined or field.default_factory is not None
    }
    for name in ("subjects", "relation", "marking", *(part for part in PARTS if part != "watch")):
        del free[name]
    needed = {"kind": st.just("watch"), "title": _SAFE, "to": st.sampled_from([["sg-cnb"], "hk-customs"])}
    listed = st.lists(subjects(), min_size=1, max_size=4).map(_unlabelled)
    return st.fixed_dictionaries({**needed, "subjects": listed}, optional=free)


def _unlabelled(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in subject.items() if k not in ("label", "within")} for subject in listed]
