"""Agencies to measure with that need no hub: the example's, or any number of them, under keys of the tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path

import iso3166

from benchmarks.directory import SENDER
from schemas.directory.agency_keys import parse_agency_keys
from schemas.directory.documents import parse_directory
from tests.support.directory import World, make_world

REPOSITORY = Path(__file__).resolve().parents[1] / "certs" / "example" / "repository"


@dataclass(frozen=True, slots=True)
class Parties:
    """A directory, the agency that sends, and those it sends to."""

    world: World
    sender: str
    recipients: tuple[str, ...]


def example_world() -> World:
    """The example's agencies, regions, rules and standing requests."""
    document = parse_directory((REPOSITORY / "directory.json").read_bytes())
    regions = {name: [a.id for a in document.agencies.values() if name in a.regions] for name in document.regions}
    agencies, witnesses = sorted(document.agencies), document.witnesses
    world = make_world(agencies, rules=document.rules, regions=regions, witnesses=witnesses, publish=False)
    for agency in world.agencies:
        published = parse_agency_keys((REPOSITORY / "agencies" / f"{agency}.json").read_bytes(), agency)
        world.keys[agency] = replace(world.keys[agency], requests=published.requests)
    world.publish("root", "targets", *world.agencies)
    return world


def example_parties() -> Parties:
    """One of the example's agencies sends to the thirty others."""
    world = example_world()
    return Parties(world, SENDER, tuple(agency for agency in world.agencies if agency != SENDER))


def parties_of(recipients: int) -> Parties:
    """An agency, and so many others it sends to, in a directory without rules."""
    sender, *others = agency_names(recipients + 1)
    return Parties(make_world([sender, *others]), sender, tuple(others))


def agency_names(count: int) -> list[str]:
    """So many agency ids: of every country in turn, the customs first."""
    return sorted(islice(_names(), count))


def _names() -> Iterator[str]:
    countries = sorted(code.lower() for code in iso3166.countries_by_alpha2)
    offices: Sequence[str] = ("customs", "police", "coast-guard")
    for office, country in product(offices, countries):
        yield f"{country}-{office}"
