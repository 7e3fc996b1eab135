"""The governors' source file, ``directory.yaml``: read strictly, with every fault named by line and field.

It holds all of ``directory.json`` in the same words, and beside it who signs: ``governors``, the ``administrators`` of
each agency, and until when signatures are to hold (``expires``). docs/governance.md explains every section.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar, cast

from broker.governance.yaml_lines import Lines, Path, load_lines
from schemas.codec import Fields, Value
from schemas.directory.authority import Quorum, Signatory, make_quorum, parse_public_key
from schemas.directory.documents import (
    DirectoryDocument,
    check_name,
    dangling_references,
    parse_directory,
    read_item,
)
from schemas.directory.strict_json import FORMAT, dump_json
from schemas.errors import BadSource, CrossbearingError, Malformed, SourceProblem

OPTIONAL: Final = ("purges", "witnesses")
LISTS: Final = ("regions", "agencies", "operations", "rules", "auditors", "brokers", "purges")
SECTIONS: Final = ("format", "name", "expires", "governors", *LISTS, "limits", "log", "witnesses")
EXPIRES: Final = ("root", "document", "agencies")
MAX_SIGNATORIES: Final = 32
"""Holders of keys of one role: more could not be gathered for a ceremony."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Source:
    """What the source file says."""

    document: DirectoryDocument
    governors: Quorum
    administrators: Mapping[str, Quorum]
    root_expires: datetime
    document_expires: datetime
    agencies_expire: datetime


def read_source(text: str) -> Source:
    """Read the text of the source file. Raises `BadSource` with every problem found."""
    reader = _Reader(load_lines(text))
    reader.sections()
    governors = reader.quorum(("governors",))
    expires = {name: reader.moment(("expires", name)) for name in EXPIRES}
    administrators = {
        agency: quorum for agency, quorum in reader.administrators() if agency is not None and quorum is not None
    }
    document = reader.document()
    if reader.problems or document is None or governors is None:
        raise _refusal(reader.problems)
    moments = cast("dict[str, datetime]", expires)  # any that is None is among the problems
    return Source(document, governors, administrators, moments["root"], moments["document"], moments["agencies"])


class _Reader:
    """Collects problems instead of stopping at the first."""

    def __init__(self, found: Lines) -> None:
        self._found = found
        self._value = cast("dict[str, Value]", found.value)
        self.problems: list[SourceProblem] = []

    def sections(self) -> None:
        for name in self._value:
            if name not in SECTIONS:
                self._report((name,), f"{name} is not a section of this file")
        for name in SECTIONS:
            if name not in self._value and name not in OPTIONAL:
                self._report((), f"the section {name} is missing")
        if self._value.get("format", FORMAT) != FORMAT:
            self._report(("format",), f"format is not {FORMAT}")
        expires = self._value.get("expires")
        for name in expires if isinstance(expires, dict) else ():
            if name not in EXPIRES:
                self._report(("expires", name), f"{name} is none of {', '.join(EXPIRES)}")

    def quorum(self, path: Path) -> Quorum | None:
        """A map of ``threshold`` and ``keys``, each a name and a public key."""
        found = self._at(path)
        if found is None:
            return None
        members: list[Signatory] = []
        try:
            fields = Fields(found, path[-1] if isinstance(path[-1], str) else "item")
            threshold = fields.integer("threshold", low=1)
            keys = fields.items("keys", max_items=MAX_SIGNATORIES)
            fields.done()
        except CrossbearingError as error:
            self._report(self._near(path, error), error.message)
            return None
        for number, value in enumerate(keys):
            try:
                members.append(_signatory(value))
            except CrossbearingError as error:
                self._report((*path, "keys", number), error.message)
        if len(members) < len(keys):
            return None
        try:
            return make_quorum(threshold, members)
        except Malformed as error:
            self._report(path, error.message)
            return None

    def moment(self, path: Path) -> datetime | None:
        text = self._at(path)
        if isinstance(text, str) and _DATE.fullmatch(text):
            try:
                return datetime.fromisoformat(text).replace(tzinfo=UTC)
            except ValueError:
                pass
        if path[0] in self._value:
            self._report(path, f"{path[-1]} is not a date such as 2027-12-31")
        return None

    def administrators(self) -> Iterator[tuple[str | None, Quorum | None]]:
        """The quorum of each agency; each key serves one agency."""
        owner: dict[str, str] = {}
        for number, agency in enumerate(self._items("agencies")):
            path: Path = ("agencies", number, "administrators")
            if not isinstance(agency, dict):
                continue
            name = agency.get("id")
            if "administrators" not in agency:
                self._report(path, "administrators is missing")
                continue
            quorum = self.quorum(path)
            for member in quorum.signatories if quorum is not None else ():
                if owner.setdefault(member.key, str(name)) != str(name):
                    self._report(path, f"the key of {member.name} administers {owner[member.key]} already")
            yield (name if isinstance(name, str) else None), quorum

    def document(self) -> DirectoryDocument | None:
        """The governors' document, once each of its parts is without fault."""
        held = len(self.problems)
        for section in LISTS:
            identities: dict[object, int] = {}
            for number, value in enumerate(self._items(section)):
                item = {n: v for n, v in value.items() if n != "administrators"} if isinstance(value, dict) else value
                self._try(section, item, (section, number))
                identity = item.get("alert" if section == "purges" else "id") if isinstance(item, dict) else None
                if isinstance(identity, str) and identities.setdefault(identity, number) != number:
                    self._report((section, number), f"{identity} is there twice")
        for section in ("limits", "log"):
            if section in self._value:
                self._try(section, self._value[section], (section,))
        if len(self.problems) > held or not all(name in self._value for name in SECTIONS if name not in OPTIONAL):
            return None
        sections = ("name", *LISTS, "limits", "log", "witnesses")
        value = {name: self._value[name] for name in sections if name in self._value}
        value["agencies"] = [
            {name: v for name, v in cast("dict[str, Value]", agency).items() if name != "administrators"}
            for agency in self._items("agencies")
        ]
        return self._whole({"format": FORMAT, **value})

    def _whole(self, value: dict[str, Value]) -> DirectoryDocument | None:
        try:
            document = parse_directory(dump_json(value), whole=False)
        except CrossbearingError as error:
            self._report(("name",), error.message)
            return None
        for fault in dangling_references(document):
            path: Path = (fault.section,)
            for number, item in enumerate(self._items(fault.section)):
                if isinstance(item, dict) and item.get("id") == fault.id:
                    path = (fault.section, number)
            self._report(path, fault.message)
        return document

    def _try(self, section: str, value: Value, path: Path) -> None:
        try:
            read_item(section, value)
        except CrossbearingError as error:
            self._report(self._near(path, error), error.message)

    def _near(self, path: Path, error: CrossbearingError) -> Path:
        """The part of an item that the error is about, if its field can be told."""
        fields = str(error.context.get("field", "")).split(".")[1:]
        item = self._at(path)
        if not fields and isinstance(item, dict):
            words = re.split(r"[^a-z_]+", error.message)
            fields = [name for name in item if name in words and name not in ("id", "name")][:1]
        return (*path, *fields)

    def _items(self, section: str) -> list[Value]:
        value = self._value.get(section, [])
        if isinstance(value, list):
            return value
        self._report((section,), f"{section} is not a list")
        self._value[section] = []
        return []

    def _at(self, path: Path) -> Value:
        value: Value = self._value
        for step in path:
            if isinstance(step, str) and isinstance(value, dict):
                value = value.get(step)
            elif isinstance(step, int) and isinstance(value, list):
                value = value[step]
            else:
                return None
        return value

    def _report(self, path: Path, message: str) -> None:
        self.problems.append(SourceProblem(self._found.line(path), _field(path), message))


def _signatory(value: Value) -> Signatory:
    fields = Fields(value, "key")
    name, key = fields.text("name"), fields.text("key")
    fields.done()
    parse_public_key(key)
    return Signatory(check_name(name, "name"), key)


def _field(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _refusal(problems: list[SourceProblem]) -> BadSource:
    ordered = tuple(sorted(problems, key=lambda problem: problem.line))
    many = "1 problem" if len(ordered) == 1 else f"{len(ordered)} problems"
    return BadSource(f"the source file has {many}", problems=ordered)
