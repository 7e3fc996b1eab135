"""The disclosure vectors: one good file, and one defect in each of the others, made by a faulty or lying discloser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from schemas.codec import Value, decode, encode
from schemas.envelope.body import commitment, seal_body
from schemas.envelope.disclosure import Disclosure, encode_disclosure
from schemas.envelope.header import decode_header, encode_header, sign_header
from schemas.ids import sha256
from schemas.keys import SigningKey
from schemas.log.checkpoint import sign_checkpoint
from schemas.log.entry import AlertEntry, RefusalEntry, decode_entry, encode_entry
from schemas.log.note import SignedNote, format_note, parse_note, sign_note
from tests.support.directory import NOW
from tests.support.disclosing import Disclosing
from tests.vectors.fixed import Fixed

Change = Callable[[Disclosing, Disclosure], Disclosure]
Form = Callable[[dict[str, Value]], dict[str, Value]]


def resigned(made: Disclosing, disclosure: Disclosure, **changes: object) -> Disclosure:
    """The file for a header with fields changed, signed by its sender, and entered in a log of its own."""
    entry = decode_entry(disclosure.entry)
    assert isinstance(entry, AlertEntry)
    header = encode_header(replace(decode_header(entry.header), **changes))  # type: ignore[arg-type]  # replace checks
    signature = sign_header(header, made.world.signing["hk-customs"])
    return entered(made, disclosure, replace(entry, header=header, signature=signature))


def entered(made: Disclosing, disclosure: Disclosure, entry: AlertEntry) -> Disclosure:
    """The file with another entry in the place of the alert's, and all proofs made for that log."""
    return made.with_entry(disclosure, encode_entry(entry))


def with_inner(made: Disclosing, disclosure: Disclosure, inner: dict[str, Value]) -> Disclosure:
    """The file for another plaintext, sealed and signed as it should be."""
    body = seal_body(inner, disclosure.content_key)
    changed = replace(disclosure, body=body, plaintext=encode(inner))
    return resigned(made, changed, body_digest=sha256(body), body_size=len(body))


def inner_of(disclosure: Disclosure) -> dict[str, Value]:
    value = decode(disclosure.plaintext, max_size=1 << 20)
    assert isinstance(value, dict)
    return value


def alert_of(disclosure: Disclosure) -> dict[str, Value]:
    alert = inner_of(disclosure)["alert"]
    assert isinstance(alert, dict)
    return alert


def other_signature(made: Disclosing, disclosure: Disclosure) -> Disclosure:
    entry = decode_entry(disclosure.entry)
    assert isinstance(entry, AlertEntry)
    return entered(made, disclosure, replace(entry, signature=sign_header(entry.header, made.world.signing["sg-cnb"])))


def strangers_line(made: Disclosing, disclosure: Disclosure) -> Disclosure:
    note = parse_note(disclosure.checkpoint)
    line = sign_note(note.text, "stranger.example", SigningKey(bytes(32)))
    return replace(disclosure, checkpoint=format_note(SignedNote(note.text, (*note.signatures, line))))


def of_another_key(made: Disclosing, disclosure: Disclosure) -> Disclosure:
    return replace(disclosure, checkpoint=sign_checkpoint(made.log.checkpoint(), SigningKey(bytes(32))))


def not_an_alert(made: Disclosing, disclosure: Disclosure) -> Disclosure:
    return made.with_entry(disclosure, encode_entry(RefusalEntry(NOW, 5, "sg-cnb", "quota", bytes(32))))


def suspended(made: Disclosing, disclosure: Disclosure) -> Disclosure:
    return Disclosing(suspended=True).disclosure


def last(disclosure: Disclosure) -> Disclosure:
    return replace(disclosure, directory=disclosure.directory[:-1])


KEY = b"\x07" * 32
DEFECTS: dict[str, tuple[int, str, Change]] = {
    "entry of another kind": (1, "bad-entry", not_an_alert),
    "entry cut": (1, "bad-entry", lambda m, d: replace(d, entry=d.entry[:-1])),
    "checkpoint of another key": (2, "checkpoint-untrusted", of_another_key),
    "checkpoint cut": (2, "bad-checkpoint", lambda m, d: replace(d, checkpoint=d.checkpoint[:-1])),
    "another index": (3, "bad-proof", lambda m, d: replace(d, index=d.index + 1)),
    "another path": (3, "bad-proof", lambda m, d: replace(d, path=d.path[::-1])),
    "directory entry of another place": (
        3,
        "bad-proof",
        lambda m, d: replace(d, directory=(replace(d.directory[0], index=1), *d.directory[1:])),
    ),
    "directory without its last version": (4, "wrong-directory", lambda m, d: last(d)),
    "no directory": (4, "wrong-directory", lambda m, d: replace(d, directory=())),
    "directory out of order": (4, "wrong-directory", lambda m, d: replace(d, directory=d.directory[::-1])),
    "directory with another bundle": (
        4,
        "directory-invalid",
        lambda m, d: replace(d, directory=(*d.directory[:-1], replace(d.directory[-1], bundle=b"\x92\xc4\0\xc4\0"))),
    ),
    "a stranger's line": (4, "bad-checkpoint", strangers_line),
    "a suspended sender": (4, "suspended", suspended),
    "a key of nobody": (4, "unknown-key", lambda m, d: resigned(m, d, key=bytes(8))),
    "a signature by another": (5, "bad-signature", other_signature),
    "another content key": (6, "commitment-mismatch", lambda m, d: replace(d, content_key=KEY)),
    "another body": (7, "body-unreadable", lambda m, d: replace(d, body=d.body[:-1] + b"\0")),
    "a body of another key": (
        8,
        "body-unreadable",
        lambda m, d: resigned(m, replace(d, content_key=KEY), commitment=commitment(KEY)),
    ),
    "another plaintext": (
        8,
        "inner-mismatch",
        lambda m, d: replace(d, plaintext=d.plaintext.replace(b"watch", b"wotch")),
    ),
    "an inner id of another alert": (
        9,
        "inner-mismatch",
        lambda m, d: with_inner(m, d, inner_of(d) | {"id": bytes(16)}),
    ),
    "a marking that the header does not have": (
        9,
        "inner-mismatch",
        lambda m, d: with_inner(m, d, inner_of(d) | {"alert": alert_of(d) | {"marking": "red"}}),
    ),
    "no title": (
        10,
        "bad-document",
        lambda m, d: with_inner(m, d, inner_of(d) | {"alert": alert_of(d) | {"title": ""}}),
    ),
}


FORMS: dict[str, Form] = {
    "another version": lambda wire: wire | {"version": 2},
    "another format": lambda wire: wire | {"format": "another"},
    "one field more": lambda wire: wire | {"more": 1},
    "one field less": lambda wire: {name: value for name, value in wire.items() if name != "plaintext"},
    "a short content key": lambda wire: wire | {"content_key": bytes(31)},
    "a short hash": lambda wire: wire | {"path": [bytes(31)]},
    "a directory version cut": lambda wire: wire | {"directory": [[0, b"", []]]},
    "a directory index that is a flag": lambda wire: wire | {"directory": [[True, b"", [], b""]]},
    "an index below zero": lambda wire: wire | {"index": -1},
}
"""Other forms of the map: all refused as `malformed` by step 1."""


def files(fixed: Fixed) -> dict[str, Any]:
    """Every vector by its path."""

    def disclosing(*, suspended: bool = False) -> Disclosing:
        return Disclosing(suspended=suspended, pair=fixed.pair)

    made = disclosing()
    found = {"disclosure/good.json": _vector("good", "nothing is wrong", made, made.data, {"alert": made.alert.id})}
    for words, (step, code, change) in DEFECTS.items():
        changed = disclosing(suspended=True).disclosure if change is suspended else change(made, made.disclosure)
        data = encode_disclosure(changed)
        found |= _refused(words, made, data, code, step)
    wire = decode(made.data, max_size=1 << 20)
    if not isinstance(wire, dict):
        raise TypeError("a disclosure is a map")
    for words, form in FORMS.items():
        found |= _refused(words, made, encode(form(wire)), "malformed", 1)
    return found | _refused("a byte more", made, made.data + b"\0", "malformed", 1)


def _refused(words: str, made: Disclosing, data: bytes, code: str, step: int) -> dict[str, Any]:
    name = words.replace(" ", "-").replace("'", "")
    return {f"disclosure/{name}.json": _vector(name, words, made, data, {"code": code, "step": step})}


def _vector(name: str, description: str, made: Disclosing, data: bytes, expected: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "provenance": "tests/vectors/disclosure_cases.py",
        "input": {"file": data.hex(), "log_vkey": made.keys[0].vkey, "trusted_root": made.world.trusted_root.hex()},
        "expected": expected,
    }
