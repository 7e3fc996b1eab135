"""Writes the source file: for a directory in force, or the first one for governors who are about to begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import yaml

from schemas.codec import Value
from schemas.directory.authority import Quorum
from schemas.directory.differences import day
from schemas.directory.documents import DirectoryDocument, encode_directory
from schemas.directory.governed import Governed
from schemas.directory.strict_json import FORMAT, load_json
from schemas.errors import DirectoryInvalid

_WIDTH = 116

_NOTES: Mapping[str, str] = {
    "expires": "Until when signatures hold. The hub warns 30, 7 and 1 days before; nothing in force ends by itself.",
    "governors": "Who decides. A change takes the signatures of `threshold` of them; a change of governors also the\n"
    "# old ones'. `bearing-broker directory key new` makes a key and prints the line for it.",
    "regions": "Named sets of agencies; rules and addresses use them.",
    "agencies": "The partners. `administrators` sign the agency's own keys; status is active or suspended.",
    "operations": "Joint efforts, from the first to the last day (UTC). participants: all, or a list of agencies.",
    "rules": "Who receives what; docs/spec/routing.md. Each reason is shown to officers.",
    "limits": "What the hub allows each agency, of each precedence: a flood of routine leaves flash its own.",
    "auditors": "Who may read the whole log, with the SHA-256 of their certificate's key (SPKI).",
    "purges": "Alerts of which the hub deletes what it holds, each with the legal basis.",
    "witnesses": "How many must cosign the log's checkpoints (of 31 agencies usually 21), and who does beside them.",
    "log": "The log's name and the keys that sign it; `bearing-broker key` prints them.",
    "brokers": "The hubs, with the SHA-256 of their certificate's key (SPKI).",
}
_FIRST_LIMITS: Value = {
    "alerts_per_minute": {"flash": 60, "immediate": 120, "priority": 300, "routine": 600},
    "bytes_per_day": {
        "flash": 268_435_456,
        "immediate": 268_435_456,
        "priority": 536_870_912,
        "routine": 1_073_741_824,
    },
    "body_bytes": 1_048_576,
}
_ORDER = ("format", "name", "expires", "governors", "regions", "agencies", "operations")
_FIELDS = (
    "id",
    "origin",
    "threshold",
    "name",
    "key",
    "country",
    "timezone",
    "regions",
    "status",
    "contact",
    "host",
    "starts",
    "ends",
    "participants",
    "effect",
    "when",
    "to",
    "ceiling",
    "hub",
    "reason",
    "tls",
    "keys",
    "administrators",
)
_REST = ("rules", "limits", "auditors", "log", "brokers", "witnesses", "purges")


def source_text(governed: Governed, agencies_expire: int) -> str:
    """The source file that says what is in force; agencies' signatures hold until `agencies_expire` (ms).

    Raises `DirectoryInvalid` before the first document, and where root and document have different signers.
    """
    document, expires = governed.document, governed.document_expires
    if document is None or expires is None:
        raise DirectoryInvalid("there is no document yet to write a source file for")
    if governed.root != governed.governors:
        raise DirectoryInvalid("root and document have different signers, which one source file cannot say")
    days = {"root": governed.root_expires, "document": expires, "agencies": agencies_expire}
    sections = _sections(document, {name: day(ms) for name, ms in days.items()}, governed.root)
    for agency in sections["agencies"] if isinstance(sections["agencies"], list) else ():
        if isinstance(agency, dict):
            agency["administrators"] = _quorum(governed.administrators[str(agency["id"])])
    return _write(sections)


def first_source_text(  # the parts a secretariat has in hand when it begins
    name: str, governors: Quorum, *, expires: date, origin: str, log_keys: Sequence[str], broker: str
) -> str:
    """A source file with governors, log and hub, and no agency yet: they and all else are to be written into it."""
    text = expires.isoformat()
    sections: dict[str, Value] = {
        "format": FORMAT,
        "name": name,
        "expires": {"root": text, "document": text, "agencies": text},
        "governors": _quorum(governors),
        **{section: [] for section in ("regions", "agencies", "operations", "rules", "auditors")},
        "limits": _FIRST_LIMITS,
        "log": {"origin": origin, "keys": list(log_keys)},
        "brokers": [{"id": "hub", "tls": [broker]}],
    }
    return _write(sections)


def _sections(document: DirectoryDocument, expires: dict[str, str], governors: Quorum) -> dict[str, Value]:
    value = load_json(encode_directory(document), "directory.json")
    return {**value, "expires": dict(expires), "governors": _quorum(governors)}


def _quorum(quorum: Quorum) -> dict[str, Value]:
    return {
        "threshold": quorum.threshold,
        "keys": [{"name": member.name, "key": member.key} for member in quorum.signatories],
    }


def _write(sections: Mapping[str, Value]) -> str:
    parts = []
    for name in (section for section in (*_ORDER, *_REST) if section in sections):
        note = f"# {_NOTES[name]}\n" if name in _NOTES else ""
        parts.append(note + _dump({name: sections[name]}))
    return "\n".join(parts)


def _dump(section: dict[str, Value]) -> str:
    simple = not any(isinstance(value, dict | list) and value for value in section.values())
    flow = False if simple else None  # short lists and maps on one line, but never a section as a whole
    return yaml.safe_dump(_ordered(section), allow_unicode=True, sort_keys=False, width=_WIDTH, default_flow_style=flow)


def _ordered(value: Value) -> Value:
    """The same, with the fields in the order in which people look for them."""
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if isinstance(value, dict):
        known = {name: place for place, name in enumerate(_FIELDS)}
        return {name: _ordered(value[name]) for name in sorted(value, key=lambda name: known.get(name, -1))}
    return value
