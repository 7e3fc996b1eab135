"""The envelope vectors: one good alert, and one defect in each of the others, made as a faulty party would make it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from msgspec import structs

from schemas.alert.document import Alert, alert_to_wire
from schemas.codec import Value, decode, encode
from schemas.directory.history import Directory
from schemas.envelope.body import commitment, padded_size, seal_body
from schemas.envelope.header import decode_header, encode_header, sign_header
from schemas.envelope.opener import wrap
from schemas.envelope.seal import PairKey, Sealed, seal
from schemas.ids import sha256
from schemas.keys import SigningKey
from schemas.limits import MAX_HEADER
from schemas.log.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from schemas.log.entry import AlertEntry, encode_entry
from schemas.log.merkle import EMPTY_ROOT, prove_consistency
from schemas.log.note import SignedNote, format_note, sign_note
from schemas.routing.resolve import query_of_alert, resolve
from tests.support.directory import DAY_MS, NOW
from tests.support.envelope import SmallLog, counting_random, make_alert
from tests.vectors.fixed import Fixed
from tests.vectors.vector_log import EARLY, MIDDLE, SECOND_KEY, USUAL, VectorLog

ME = "sg-cnb"
EARLIER = "0190a0b0-c0d0-7000-8000-00000000000a"
FIELDS: dict[str, Any] = {
    "to": ["all"],
    "operation": "marker",
    "modes": ["sea", "air"],
    "relation": {"type": "reply", "alert": EARLIER},
    "attachments": [
        {
            "name": "scan.png",
            "media_type": "image/png",
            "size": 1,
            "sealed_size": 42,
            "digest": "ab" * 32,
            "key": "cd" * 32,
        }
    ],
}
OTHER_KEY = b"n" * 32

Vector = dict[str, Any]
Case = tuple[str, str, int | None, str | None, Vector]
"""Name, sentence, step, code (None for a good one), input."""


def files(fixed: Fixed) -> dict[str, Any]:
    """`world.json` and one file for each vector."""
    maker = Maker(fixed)
    made: dict[str, Any] = {"world.json": maker.base.describe()}
    for name, sentence, step, code, given in all_cases(maker):
        path = f"envelope/{name}.json"
        if path in made:
            raise ValueError(f"{name} is there twice")
        expected: dict[str, Any] = {"result": "opened"} if code is None else {"code": code, "step": step}
        provenance = "tests/vectors/envelope_cases.py, from the example seeds; openers as in fixed.json"
        made[path] = {
            "name": name,
            "description": sentence,
            "expected": expected,
            "provenance": provenance,
            "input": given,
        }
    return made


class Maker:
    """One good alert at its usual place, and the means to make others of it."""

    def __init__(self, fixed: Fixed) -> None:
        self.fixed = fixed
        self.base = VectorLog()
        self.world = self.base.world
        self.alert = make_alert(self.world, "hk-customs", **FIELDS)
        self.sealed = self.seal(self.alert, self.world.directory, self.world.signing["hk-customs"])
        self.header = decode_header(self.sealed.header)

    def pair(self, sender: str, recipient: str, key: SigningKey) -> PairKey:
        """The fixed pair key."""
        return self.fixed.pair(sender, recipient, key.key_id, self.world.sealing[recipient])

    def seal(self, alert: Alert, directory: Directory, key: SigningKey) -> Sealed:
        """Seal as an honest sender does."""
        resolution = resolve(directory, query_of_alert(alert, at=NOW))
        return seal(
            alert,
            resolution=resolution,
            directory_version=directory.version,
            signing=key,
            pairs={agency: self.pair(alert.sender, agency, key) for agency in resolution.recipients},
            now=NOW,
            random=counting_random("vectors"),
        )

    def openers(self, sender: str = "hk-customs", key: SigningKey | None = None, me: str = ME) -> list[str]:
        """The opener that `me` was sent."""
        return [self.pair(sender, me, key or self.world.signing[sender]).opener.hex()]

    def vector(
        self, entry: bytes | None = None, *, index: int = USUAL, body: bytes | None = None, **changes: Any
    ) -> Vector:
        """The input of a vector around an entry, of which `changes` replaces parts."""
        log = self.log(index, entry)
        return {
            "me": ME,
            "held": {"size": 0, "root": EMPTY_ROOT.hex()},
            "consistency": [],
            "checkpoint": log.note().decode(),
            "index": index,
            "entry": log.leaves[index].hex(),
            "path": [node.hex() for node in log.path(index)],
            "body": (self.sealed.body if body is None else body).hex(),
            "openers": self.openers(),
            **changes,
        }

    def log(self, index: int = USUAL, entry: bytes | None = None) -> SmallLog:
        """The log around an entry."""
        return self.base.log(index, self.entry() if entry is None else entry)

    def entry(
        self,
        header: bytes | None = None,
        signature: bytes | None = None,
        *,
        key: SigningKey | None = None,
        time: int = NOW,
        directory: int = 8,
    ) -> bytes:
        """The entry of an alert, signed anew if the header is another one."""
        data = self.sealed.header if header is None else header
        signer = key or self.world.signing["hk-customs"]
        return encode_entry(AlertEntry(time, directory, data, signature or sign_header(data, signer)))

    def with_header(self, **changes: Any) -> Vector:
        """The good alert under another header, signed by its sender."""
        return self.vector(self.entry(encode_header(replace(self.header, **changes))))

    def with_raw_header(self, change: Callable[[dict[str, Any]], object]) -> Vector:
        """The same for headers that the encoder's own checks would not let pass."""
        value: Any = decode(self.sealed.header, max_size=MAX_HEADER)
        change(value)
        return self.vector(self.entry(encode(value)))

    def with_body(self, body: bytes, key: bytes = OTHER_KEY, **changes: Any) -> Vector:
        """Another body under a content key that is wrapped properly."""
        committed = commitment(key)
        signing = self.world.signing["hk-customs"]
        recipients = tuple(
            structs.replace(
                recipient,
                wrap=wrap(self.pair("hk-customs", recipient.agency, signing).secret, self.header.id, committed, key),
            )
            for recipient in self.header.recipients
        )
        header = replace(
            self.header,
            commitment=committed,
            recipients=recipients,
            body_digest=sha256(body),
            body_size=len(body),
            **changes,
        )
        return self.vector(self.entry(encode_header(header)), body=body)

    def with_inner(self, inner: dict[str, Value]) -> Vector:
        """Another plaintext, sealed properly."""
        return self.with_body(seal_body(inner, OTHER_KEY))

    def inner(self, **changes: Value) -> dict[str, Value]:
        """The plaintext of the good alert."""
        return {"id": self.header.id, "sender": "hk-customs", "alert": {**alert_to_wire(self.alert), **changes}}

    def my_wrap(self, wrapped: bytes) -> tuple[Any, ...]:
        """The recipients with another wrap for `ME`."""
        return tuple(structs.replace(r, wrap=wrapped) if r.agency == ME else r for r in self.header.recipients)


def all_cases(m: Maker) -> Iterator[Case]:
    """Every vector, by step."""
    yield from good(m)
    yield from step_1_entry(m)
    yield from step_1_header(m)
    yield from step_2(m)
    yield from step_3(m)
    yield from steps_4_and_5(m)
    yield from steps_6_to_8(m)
    yield from step_9(m)
    yield from steps_10_and_11(m)


def good(m: Maker) -> Iterator[Case]:
    """What opens."""
    yield "good", "Every part is as it should be.", None, None, m.vector()
    bare = make_alert(m.world, "hk-customs", number=2).model_copy(update={"modes": []})
    sealed = m.seal(bare, m.world.directory, m.world.signing["hk-customs"])
    entry = m.entry(sealed.header, sealed.signature)
    yield "good-without-options", "Nothing optional is there.", None, None, m.vector(entry, body=sealed.body)
    old = m.world.signing["au-abf"]
    before = m.world.history.at(EARLY)
    alert = make_alert(m.world, "au-abf", number=3)
    sealed = m.seal(alert, before, old)
    entry = m.entry(sealed.header, sealed.signature, directory=before.version)
    given = m.vector(entry, index=EARLY, body=sealed.body, openers=m.openers("au-abf", old))
    yield "good-key-retired-later", "The key was retired, and the sender suspended, only later.", None, None, given
    log = m.log()
    held = prefix(log, 7)
    proof = [node.hex() for node in prove_consistency(7, 12, log.read)]
    given = m.vector(held={"size": 7, "root": held.root.hex()}, consistency=proof)
    yield "good-checkpoint-grown", "The checkpoint continues the one held.", None, None, given


def prefix(log: SmallLog, size: int) -> Checkpoint:
    """The tree head the log had at an earlier size."""
    return SmallLogView(log, size).checkpoint()


class SmallLogView(SmallLog):
    """The first entries of a log."""

    def __init__(self, log: SmallLog, size: int) -> None:
        self.world, self.leaves = log.world, log.leaves[:size]


def step_1_entry(m: Maker) -> Iterator[Case]:
    """Entries that do not decode."""
    entry = m.entry()
    value: Any = decode(entry, max_size=1 << 16)
    cases = {
        "entry-truncated": ("The last byte is missing.", entry[:-1]),
        "entry-trailing-byte": ("A byte follows the entry.", entry + b"\0"),
        "entry-long-integer": ("A number is not in its shortest form.", longer(entry, b"\xa9directory\x08")),
        "entry-extra-field": ("The entry has a field that the format does not know.", encode({**value, "note": "x"})),
        "entry-missing-field": ("The signature is missing.", encode(without(value, "signature"))),
        "entry-unknown-kind": ("The entry is of an unknown kind.", encode({**value, "kind": "rumour"})),
        "entry-of-another-kind": ("The entry is a refusal, not an alert.", m.base.log(0, b"").leaves[11]),
        "entry-empty": ("The entry has no bytes.", b""),
    }
    for name, (sentence, data) in cases.items():
        yield name, sentence, 1, "bad-entry", m.vector(data)


def step_1_header(m: Maker) -> Iterator[Case]:
    """Headers that do not decode, or break a bound; all are signed by their sender."""
    header = m.sealed.header
    value: Any = decode(header, max_size=MAX_HEADER)
    swapped = encode({"a": 1, "b": 2}).replace(b"\xa1a\x01\xa1b\x02", b"\xa1b\x02\xa1a\x01")
    raw = {
        "header-truncated": ("The last byte is missing.", "truncated", header[:-1]),
        "header-trailing-byte": ("A byte follows the header.", "malformed", header + b"\0"),
        "header-long-integer": (
            "A number is not in its shortest form.",
            "not-canonical",
            longer(header, VERSION),
        ),
        "header-keys-unsorted": ("The keys are not sorted.", "not-canonical", swapped),
        "header-doubled-key": ("A key is there twice.", "not-canonical", b"\x82\xa1a\x01\xa1a\x01"),
        "header-float": ("A value is a floating-point number.", "malformed", b"\x81\xa1a\xcb" + bytes(8)),
        "header-extension-type": ("A value is of an extension type.", "malformed", b"\x81\xa1a\xd4\x01\x00"),
        "header-not-utf-8": ("A text is not UTF-8.", "malformed", b"\x81\xa1a\xa1\xff"),
        "header-not-a-map": ("The header is a list.", "malformed", encode([])),
        "header-too-deep": ("A list nests too deep.", "too-deep", encode({**value, "modes": [[[["sea"]]]]})),
    }
    for name, (sentence, code, data) in raw.items():
        yield name, sentence, 1, code, m.vector(m.entry(data))
    for name, (sentence, change) in HEADER_CHANGES.items():
        yield name, sentence, 1, "malformed", m.with_raw_header(change)


HEADER_CHANGES: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "header-extra-field": ("A field is not of this format.", lambda h: h.update(note="x")),
    "header-missing-field": ("The marking is missing.", lambda h: h.pop("marking")),
    "header-unknown-version": ("The version is unknown.", lambda h: h.update(version=2)),
    "header-unknown-suite": ("The suite is unknown.", lambda h: h.update(suite=2)),
    "header-id-version-4": ("The id is no UUIDv7.", lambda h: h.update(id=h["id"][:6] + b"\x40" + h["id"][7:])),
    "header-sender-in-capitals": ("The sender is no agency id.", lambda h: h.update(sender="HK-customs")),
    "header-expires-at-once": ("It expires when it is made.", lambda h: h.update(expires=h["created"])),
    "header-expires-too-late": (
        "It expires more than a year after it is made.",
        lambda h: h.update(expires=h["created"] + 367 * DAY_MS),
    ),
    "header-unknown-precedence": ("The precedence is unknown.", lambda h: h.update(precedence="urgent")),
    "header-unknown-marking": ("The marking is of TLP 1.0.", lambda h: h.update(marking="white")),
    "header-unknown-topic": ("The topic is unknown.", lambda h: h.update(topic="gossip")),
    "header-unknown-status": ("The status is unknown.", lambda h: h.update(status="real")),
    "header-unknown-mode": ("A mode of transport is unknown.", lambda h: h.update(modes=["space"])),
    "header-modes-unsorted": ("The modes are not sorted.", lambda h: h["modes"].reverse()),
    "header-unknown-subject": ("A type of subject is unknown.", lambda h: h.update(subjects=["gossip"])),
    "header-subjects-unsorted": (
        "The types of subjects are not sorted.",
        lambda h: h.update(subjects=["vessel", "container"]),
    ),
    "header-bare-region": ("An address is not in wire form.", lambda h: h.update(address=["asia"])),
    "header-address-twice": ("An address is there twice.", lambda h: h.update(address=["all", "all"])),
    "header-no-address": ("There is no address.", lambda h: h.update(address=[])),
    "header-unknown-relation": ("The relation is unknown.", lambda h: h["relation"].__setitem__(0, "like")),
    "header-no-recipients": ("There is no recipient.", lambda h: h.update(recipients=[])),
    "header-recipients-unsorted": ("The recipients are not sorted.", lambda h: h["recipients"].reverse()),
    "header-recipient-twice": ("A recipient is there twice.", lambda h: h["recipients"].append(h["recipients"][-1])),
    "header-sender-receives": (
        "The sender is a recipient.",
        lambda h: h["recipients"][0].__setitem__(0, "hk-customs"),
    ),
    "header-short-opener-id": (
        "An opener id has 15 bytes.",
        lambda h: h["recipients"][0].__setitem__(1, h["recipients"][0][1][:15]),
    ),
    "header-long-wrap": (
        "A wrap has 49 bytes.",
        lambda h: h["recipients"][0].__setitem__(2, h["recipients"][0][2] + b"\0"),
    ),
    "header-short-commitment": ("The commitment has 31 bytes.", lambda h: h.update(commitment=h["commitment"][:31])),
    "header-no-body": ("The body has no bytes.", lambda h: h.update(body_size=0)),
    "header-body-too-large": ("The body is over the limit.", lambda h: h.update(body_size=1_048_577)),
    "header-attachment-twice": (
        "An attachment is there twice.",
        lambda h: h["attachments"].append(h["attachments"][0]),
    ),
}


def step_2(m: Maker) -> Iterator[Case]:
    """Checkpoints that are not to be trusted."""
    log = m.log()
    checkpoint, note, key = log.checkpoint(), log.note(), m.world.log_key
    stranger = SigningKey(b"s" * 32)
    other = replace(checkpoint, origin="other.example/log")
    extended = format_checkpoint(checkpoint) + "an extension\n"
    extended_note = format_note(SignedNote(extended, (sign_note(extended, checkpoint.origin, key),)))
    notes = {
        "checkpoint-size-changed": (
            "The size is changed under the signature.",
            "bad-signature",
            note.replace(b"\n12\n", b"\n13\n"),
        ),
        "checkpoint-by-a-stranger": (
            "A key signs that is not the log's.",
            "checkpoint-untrusted",
            sign_checkpoint(checkpoint, stranger),
        ),
        "checkpoint-of-another-log": (
            "The log's key signs for another origin.",
            "checkpoint-untrusted",
            sign_checkpoint(other, key),
        ),
        "checkpoint-extension-line": ("An extension line follows the root.", "bad-checkpoint", extended_note),
        "checkpoint-without-signature": (
            "There is no signature line.",
            "bad-checkpoint",
            note[: note.index(b"\n\n") + 2],
        ),
        "checkpoint-size-with-zero": (
            "The size has a leading zero.",
            "bad-checkpoint",
            signed_text(m, format_checkpoint(checkpoint).replace("\n12\n", "\n012\n")),
        ),
    }
    for name, (sentence, code, data) in notes.items():
        yield name, sentence, 2, code, m.vector(checkpoint=data.decode())
    held = prefix(log, 7)
    proof = [node.hex() for node in prove_consistency(7, 12, log.read)]
    root = held.root.hex()
    forks: dict[str, tuple[str, Vector]] = {
        "fork-same-size": ("Another root for the size held.", {"held": {"size": 12, "root": root}}),
        "fork-smaller": ("The checkpoint is older than the one held.", {"held": {"size": 13, "root": root}}),
        "fork-other-root-held": (
            "The proof begins at another root than the one held.",
            {"held": {"size": 7, "root": "00" * 32}, "consistency": proof},
        ),
        "fork-no-proof": ("The log has grown and there is no proof.", {"held": {"size": 7, "root": root}}),
        "fork-proof-cut": (
            "The consistency proof lacks its last hash.",
            {"held": {"size": 7, "root": root}, "consistency": proof[:-1]},
        ),
    }
    for name, (sentence, changes) in forks.items():
        yield name, sentence, 2, "fork", m.vector(**changes)


def step_3(m: Maker) -> Iterator[Case]:
    """Entries that are not where they are said to be."""
    path = m.vector()["path"]
    later = m.entry(time=NOW + 1)
    changes: dict[str, tuple[str, Vector]] = {
        "path-short": ("The path lacks its last hash.", {"path": path[:-1]}),
        "path-long": ("The path has a hash too many.", {"path": [*path, "00" * 32]}),
        "path-reversed": ("The path is upside down.", {"path": path[::-1]}),
        "path-hash-short": ("A hash of the path has 31 bytes.", {"path": [path[0][:-2], *path[1:]]}),
        "index-off-by-one": ("The index is the neighbour's.", {"index": USUAL + 1}),
        "index-beyond-the-tree": ("The index is beyond the tree.", {"index": 12}),
        "entry-not-in-the-tree": ("The entry has another time than the one in the tree.", {"entry": later.hex()}),
    }
    for name, (sentence, changed) in changes.items():
        yield name, sentence, 3, "not-included", {**m.vector(), **changed}


def steps_4_and_5(m: Maker) -> Iterator[Case]:
    """Senders and keys that the directory in force does not bear out, and signatures that do not verify."""
    entry = m.entry
    yield "directory-too-old", "The entry names the version before.", 4, "wrong-directory", m.vector(entry(directory=7))
    yield (
        "directory-not-held",
        "The entry names a version to come.",
        4,
        "directory-unknown",
        m.vector(entry(directory=9)),
    )
    given = m.with_header(directory=9)
    yield "header-directory-later", "The header names a later version than the entry.", 4, "wrong-directory", given
    yield "sender-unknown", "The sender is no agency.", 4, "unknown-agency", m.with_header(sender="jp-customs")
    yield "key-unknown", "The sender has no such key.", 4, "unknown-key", m.with_header(key=bytes(8))
    given = m.vector(entry(time=NOW + 731 * DAY_MS))
    yield "key-expired", "The key had expired at the time of entry.", 4, "key-not-valid", given
    given = m.vector(entry(time=NOW - 31 * DAY_MS))
    yield "key-not-yet-valid", "The key was not valid yet at the time of entry.", 4, "key-not-valid", given
    old, middle = m.world.signing["au-abf"], m.world.history.at(MIDDLE)
    sealed = m.seal(make_alert(m.world, "au-abf", number=3), middle, old)
    data = m.entry(sealed.header, sealed.signature, directory=middle.version)
    given = m.vector(data, index=MIDDLE, body=sealed.body, openers=m.openers("au-abf", old))
    yield "key-retired", "The sender's key was retired before.", 4, "key-retired", given
    sealed = m.seal(make_alert(m.world, "au-abf", number=4), middle, SECOND_KEY)
    data = m.entry(sealed.header, sealed.signature)
    given = m.vector(data, body=sealed.body, openers=m.openers("au-abf", SECOND_KEY))
    yield "sender-suspended", "The sender was suspended before.", 4, "suspended", given
    good_signature = m.sealed.signature
    signatures = {
        "signature-flipped": ("One bit of the signature is another.", flipped(good_signature, 5)),
        "signature-by-another-agency": (
            "Another agency signed.",
            sign_header(m.sealed.header, m.world.signing["nz-customs"]),
        ),
        "signature-without-context": (
            "The header is signed without its context string.",
            m.world.signing["hk-customs"].sign(m.sealed.header),
        ),
        "signature-not-reduced": ("The group order is added to S.", not_reduced(good_signature)),
    }
    for name, (sentence, signature) in signatures.items():
        yield name, sentence, 5, "bad-signature", m.vector(entry(signature=signature))


def steps_6_to_8(m: Maker) -> Iterator[Case]:
    """Alerts for others, and keys that do not open."""
    yield "not-a-recipient", "The alert is for others.", 6, "not-recipient", m.vector(me="hk-customs")
    signing = m.world.signing["hk-customs"]
    opener = bytes.fromhex(m.openers()[0])
    yield "opener-not-sent", "The opener is missing.", 7, "opener-unknown", m.vector(openers=[])
    given = m.vector(openers=[flipped(opener, 100).hex()])
    yield "opener-flipped", "One bit of the opener is another, and so is its id.", 7, "opener-unknown", given
    foreign = {
        "opener-for-another-recipient": m.pair("hk-customs", "nz-customs", signing),
        "opener-of-another-sender": m.pair("nz-customs", ME, m.world.signing["nz-customs"]),
        "opener-under-another-signing-key": m.pair("hk-customs", ME, SECOND_KEY),
    }
    for name, pair in foreign.items():
        recipients = tuple(
            structs.replace(r, opener_id=pair.opener_id) if r.agency == ME else r for r in m.header.recipients
        )
        given = {**m.with_header(recipients=recipients), "openers": [pair.opener.hex()]}
        yield name, "The header names an opener that was not made for this pair.", 7, "opener-unknown", given
    mine = next(r for r in m.header.recipients if r.agency == ME)
    secret = m.pair("hk-customs", ME, signing).secret
    header = m.header
    wraps = {
        "wrap-flipped": ("One bit of the wrap is another.", flipped(mine.wrap, 3), "wrap-failed"),
        "wrap-for-another-alert": (
            "The wrap was made for another alert.",
            wrap(secret, bytes.fromhex(EARLIER.replace("-", "")), header.commitment, OTHER_KEY),
            "wrap-failed",
        ),
        "wrap-under-another-commitment": (
            "The wrap was made under another commitment.",
            wrap(secret, header.id, commitment(OTHER_KEY), OTHER_KEY),
            "wrap-failed",
        ),
        "wrap-of-another-key": (
            "The wrap holds another content key than the one committed to.",
            wrap(secret, header.id, header.commitment, OTHER_KEY),
            "commitment-mismatch",
        ),
    }
    for name, (sentence, wrapped, code) in wraps.items():
        yield name, sentence, 8, code, m.with_header(recipients=m.my_wrap(wrapped))


def step_9(m: Maker) -> Iterator[Case]:
    """Bodies that are not the one, do not decrypt, or are padded otherwise."""
    body = m.sealed.body
    for name, sentence, data in (
        ("body-flipped", "One bit of the body is another.", flipped(body, 10)),
        ("body-truncated", "The last byte of the body is missing.", body[:-1]),
        ("body-extended", "A byte follows the body.", body + b"\0"),
        ("body-empty", "There is no body.", b""),
    ):
        yield name, sentence, 9, "body-unreadable", m.vector(body=data)
    plain = encode(m.inner())
    padded = (plain + b"\x80").ljust(padded_size(len(plain) + 1), b"\0")
    for name, sentence, data in (
        ("body-not-encrypted", "The body is the plaintext.", padded),
        (
            "body-other-context",
            "The body is sealed with other associated data.",
            aead(padded, b"crossbearing/2/body\0"),
        ),
        ("padding-too-long", "There are more zeros than the size asks for.", aead(padded + bytes(1024))),
        ("padding-missing", "The plaintext is not padded.", aead(plain + b"\x80")),
        ("padding-without-mark", "No mark ends the plaintext.", aead(bytes(len(padded)))),
        ("padding-not-zero", "The padding holds something.", aead(padded[:-1] + b"\x01")),
        (
            "plaintext-not-canonical",
            "The plaintext is not in its shortest form.",
            aead(repadded(longer(plain, VERSION))),
        ),
    ):
        yield name, sentence, 9, "body-unreadable", m.with_body(data)


VERSION = b"\xa7version\x01"
"""The key and value of the version, in the header as in the alert."""


def steps_10_and_11(m: Maker) -> Iterator[Case]:
    """Plaintexts that are not what the header says, or no alert."""
    yield "good-resealed", "Another content key, all else the same.", None, None, m.with_inner(m.inner())
    inner = m.inner()
    for name, sentence, plain in (
        ("inner-of-another-sender", "The body was made by another sender.", {**inner, "sender": "nz-customs"}),
        ("inner-of-another-alert", "The body was made for another alert.", {**inner, "id": bytes(16)}),
        ("inner-extra-field", "The body has a field beside its three.", {**inner, "note": "x"}),
        ("inner-missing-field", "The body names no sender.", without(inner, "sender")),
        ("inner-alert-not-a-map", "The alert is a text.", {**inner, "alert": "x"}),
    ):
        yield name, sentence, 10, "inner-mismatch", m.with_inner(plain)
    changes: dict[str, Value] = {
        "id": "0190a0b0-c0d0-7000-8000-00000000000b",
        "sender": "nz-customs",
        "kind": "risk",
        "marking": "clear",
        "precedence": "flash",
        "status": "test",
        "operation": "other",
        "to": ["sg-cnb"],
        "relation": {"type": "recall", "alert": EARLIER},
        "modes": ["sea"],
        "attachments": [],
    }
    for field, value in changes.items():
        name, sentence = f"inner-{field}-differs", f"The alert's {field} is not what the header says."
        yield name, sentence, 10, "inner-mismatch", m.with_inner(m.inner(**{field: value}))
    sentence = "The header discloses a type of subject that no standing request asks about."
    vector = m.with_body(seal_body(m.inner(), OTHER_KEY), subjects=("container",))
    yield "header-discloses-too-much", sentence, 10, "inner-mismatch", vector
    container: Value = [{"type": "container", "number": "CSQU3054384"}]
    alerts: tuple[tuple[str, str, dict[str, Value]], ...] = (
        ("alert-title-empty", "The alert has an empty title.", {"title": ""}),
        ("alert-unknown-field", "The alert has a field that its schema does not know.", {"note": "x"}),
        ("alert-unknown-version", "The alert is of an unknown version.", {"version": 2}),
        ("alert-check-digit", "A container number has a wrong check digit.", {"subjects": container}),
    )
    for name, sentence, alert in alerts:
        yield name, sentence, 11, "bad-document", m.with_inner(m.inner(**alert))


# -- bytes -------------------------------------------------------------------------------------------------------------


def flipped(data: bytes, position: int) -> bytes:
    """One bit changed."""
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def longer(data: bytes, entry: bytes) -> bytes:
    """The first small number after a key, given together as `entry`, written in two bytes instead of one."""
    if entry not in data:
        raise ValueError("there is no such number")
    return data.replace(entry, entry[:-1] + b"\xcc" + entry[-1:], 1)


def without(value: dict[str, Value], name: str) -> dict[str, Value]:
    """A map less one key."""
    return {key: item for key, item in value.items() if key != name}


def aead(padded: bytes, context: bytes = b"crossbearing/1/body\0") -> bytes:
    """Encrypt what `seal_body` would not make."""
    return ChaCha20Poly1305(OTHER_KEY).encrypt(bytes(12), padded, context)


def repadded(plain: bytes) -> bytes:
    """Padded as the format says."""
    return (plain + b"\x80").ljust(padded_size(len(plain) + 1), b"\0")


def not_reduced(signature: bytes) -> bytes:
    """The same signature with S + L for S, which careless verifiers accept (RFC 8032 section 5.1.7 forbids it)."""
    order = (1 << 252) + 27742317777372353535851937790883648493
    return signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")


def signed_text(m: Maker, text: str) -> bytes:
    """A note over any text, by the log's key."""
    return format_note(SignedNote(text, (sign_note(text, m.world.origin, m.world.log_key),)))
