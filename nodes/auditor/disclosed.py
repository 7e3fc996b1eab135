"""Reading a disclosure: what one alert said, who sent it, to whom and when, as anybody can check it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nodes.auditor.check import alert_lines
from nodes.auditor.text import plain, when
from schemas.alert.document import alert_to_wire
from schemas.codec import Value
from schemas.envelope.disclosure import Disclosed, is_disclosure, verify_disclosure
from schemas.errors import BadConfig
from schemas.ids import format_id
from schemas.log.note import NoteKey

__all__ = ["check_disclosure", "disclosed_lines", "disclosed_view", "is_disclosure"]

_INDENT = "  "


def check_disclosure(data: bytes, keys: Sequence[NoteKey], trusted_root: bytes | None) -> Disclosed:
    """Check a disclosure against the log's keys and, if given, the governors' first root metadata.

    Raises the refusal of the step that fails, and `BadConfig` for keys that cannot be those of one log.
    """
    if not keys or len({key.name for key in keys}) != 1:
        raise BadConfig("the log keys given are not those of one log", hint="Give the vkey the log's keeper published.")
    return verify_disclosure(data, keys=keys, trusted_root=trusted_root)


def disclosed_view(told: Disclosed) -> dict[str, object]:
    """Return the outcome as JSON-ready data."""
    header = told.header
    return {
        "ok": True,
        "log": told.checkpoint.origin,
        "index": told.index,
        "size": told.checkpoint.size,
        "root": told.checkpoint.root.hex(),
        "witnesses": list(told.witnesses),
        "quorum": told.quorum,
        "entered": told.entry.time,
        "directory": told.entry.directory,
        "governors_root": told.root.hex(),
        "governors_root_given": told.root_trusted,
        "sender": header.sender,
        "key": header.key.hex(),
        "recipients": [recipient.agency for recipient in header.recipients],
        "sealed": header.created,
        "expires": header.expires,
        "alert": _jsonable(alert_to_wire(told.alert)),
    }


def disclosed_lines(told: Disclosed) -> Iterator[str]:
    """Yield in plain words what is proven, the whole alert, and what is not."""
    name = told.directory.agency(told.header.sender).name
    yield "THE DISCLOSURE IS GOOD. Exactly the alert below was sent, by the agency named, to those named."
    yield ""
    yield from alert_lines(told.header)
    yield f"Sender      {told.header.sender} is {plain(name)}"
    for recipient in told.header.recipients:
        yield f"Recipient   {recipient.agency} is {plain(told.directory.agency(recipient.agency).name)}"
    yield ""
    yield "WHAT IT SAYS"
    yield from _lines(alert_to_wire(told.alert), "")
    yield ""
    yield f"Log         {plain(told.checkpoint.origin)}"
    yield f"Entered     {when(told.entry.time)}, by the hub's clock"
    yield f"Place       entry {told.index:,} of a log of {told.checkpoint.size:,}, root {told.checkpoint.root.hex()}"
    enough = "as many as the directory asks for" if told.quorum else "fewer than the directory asks for"
    yield f"Witnessed   by {', '.join(told.witnesses) or 'nobody'}: {enough}"
    yield f"Directory   version {told.entry.directory}, established from its first version on"
    yield f"Governors   first root metadata, SHA-256 {told.root.hex()}"
    yield ""
    yield "What this means: the sender's own signature covers the alert, with the key that the directory then gave for"
    yield "it; and the log cannot deny the entry without contradicting its own signature."
    if not told.root_trusted:
        yield "Who the governors are is so far this file's word: compare the SHA-256 above with theirs, or give --root."
    if told.alert.attachments:
        yield "The attachments are not in this file. Their keys are, so whoever has the sealed files can open them."


def _lines(value: Value, indent: str) -> Iterator[str]:
    """Yield a value of the alert, a line for each part; bytes and control characters are written out."""
    match value:
        case dict():
            for name, item in value.items():
                if isinstance(item, dict | list) and item:
                    yield f"{indent}{plain(name)}:"
                    yield from _lines(item, indent + _INDENT)
                elif isinstance(item, str) and "\n" in item:
                    yield f"{indent}{plain(name)}:"
                    yield from (f"{indent}{_INDENT}{plain(line)}" for line in item.split("\n"))
                elif item is not None and item not in ([], {}):
                    yield f"{indent}{plain(name)}: {_text(item)}"
        case list():
            for item in value:
                if isinstance(item, dict):
                    first, *rest = _lines(item, "")
                    yield f"{indent}- {first}"
                    yield from (f"{indent}{_INDENT}{line}" for line in rest)
                else:
                    yield f"{indent}- {_text(item)}"
        case _:
            yield f"{indent}{_text(value)}"


def _text(value: Value) -> str:
    if isinstance(value, bytes):
        return format_id(value) if len(value) == 16 else value.hex()
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain(str(value))


def _jsonable(value: Value) -> object:
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {name: _jsonable(item) for name, item in value.items()}
        case list():
            return [_jsonable(item) for item in value]
    return value
