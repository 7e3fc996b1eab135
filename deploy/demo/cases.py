"""The example cases, fed through the agencies that reported them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

import yaml

from deploy.demo.exchange import Exchange
from schemas.alert.document import load_document


@dataclass(frozen=True)
class Case:
    """One reported interdiction as an officer's document, and the agency that sends it."""

    file: str
    sender: str
    document: dict[str, object]


@dataclass(frozen=True)
class Sent:
    """An alert on its way: who sent it, its id, and who was to receive it when it was composed."""

    case: Case
    id: str
    recipients: tuple[str, ...]


def example_cases() -> list[Case]:
    """Every case of `schemas/examples/cases`, in the order of its index."""
    folder = resources.files("schemas").joinpath("examples", "cases")
    index = yaml.safe_load(folder.joinpath("index.yaml").read_text(encoding="utf-8"))
    rows = index["cases"] if isinstance(index, dict) else index
    return [
        Case(row["file"], row["sender"], load_document(folder.joinpath(row["file"]).read_text("utf-8"), format="yaml"))
        for row in rows
    ]


def feed(exchange: Exchange, cases: list[Case]) -> Iterator[Sent]:
    """Hand each case to its sender's node, as an agency's own system would; one result per case."""
    for case in cases:
        answer = exchange.client(case.sender).send(case.document)
        yield Sent(case, answer["id"], tuple(answer["recipients"]))
