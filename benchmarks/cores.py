"""What the pure cores cost that every delivery passes through at hub, recipient and sender, beside their floors.

    python -m benchmarks.cores [WORD ...] [--repeats 7]

Prints processor time of one call in microseconds: the least of some repeats, so that other work on the machine disturbs
little. The floor is what the libraries alone need for the same bytes (msgpack, SHA-256, Ed25519, the AEAD, pydantic).
With words only the lines that hold one of them are measured.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgpack
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl.bindings import crypto_sign_open
from pydantic import BaseModel

from benchmarks.directory import SENDER
from benchmarks.documents import alert_document
from benchmarks.world import example_world
from schemas.alert.document import Alert, alert_from_wire, alert_to_wire, check_document, compose_alert
from schemas.codec import Value, decode, encode
from schemas.envelope.body import commitment, open_body, seal_body
from schemas.envelope.header import Header, Recipient, decode_header, encode_header, sign_header, verify_header
from schemas.envelope.opener import unwrap
from schemas.envelope.opening import (
    alert_inside,
    include_item,
    open_included,
    read_included,
    sender_key,
    trust_checkpoint,
)
from schemas.envelope.seal import seal
from schemas.ids import parse_id, sha256
from schemas.log.checkpoint import sign_checkpoint
from schemas.log.entry import decode_entry, encode_entry
from schemas.log.merkle import node_hash, prove_consistency, verify_inclusion
from schemas.log.receipt import (
    RECEIPT_CONTEXT,
    Receipt,
    ReceiptItem,
    decode_receipt,
    encode_receipt,
    sign_receipt,
    verify_receipt,
)
from schemas.routing.resolve import disclosed, query_of, query_of_alert, resolve
from schemas.session.frames import (
    Block,
    Item,
    Result,
    ResultItem,
    SendReceipt,
    Submit,
    decode_frame,
    encode_frame,
)
from tests.support.directory import NOW, World
from tests.support.envelope import SmallLog, alert_entry, counting_random, make_pairs

ME = "sg-cnb"
SLICE = 0.004
"""Seconds of one repeat: the longer, the more likely something else comes between."""
PATH = 20
"""Hashes of a path in a log of a million entries."""

Case = tuple[str, Callable[[], object], Callable[[], object] | None]
"""What is measured, and its floor if there is one."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The cost of the pure cores, call by call.")
    parser.add_argument("words", nargs="*", metavar="WORD", help="measure only lines that hold one of these")
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    sys.stdout.write(f"{'':44}{'us':>9}{'floor':>9}{'ratio':>8}\n")
    for name, call, floor in _cases():
        if given.words and not any(word in name for word in given.words):
            continue
        cost = _cost(call, given.repeats)
        least = _cost(floor, given.repeats) if floor is not None else None
        beside = f"{least:9.2f}{cost / least:8.1f}" if least is not None else ""
        sys.stdout.write(f"{name:44}{cost:9.2f}{beside}\n")
        sys.stdout.flush()
    return 0


def _cost(call: Callable[[], object], repeats: int) -> float:
    """Microseconds of processor time that one call takes at best."""
    call()
    count, took = 1, 0.0
    while (took := _timed(call, count)) < SLICE:
        count = max(count * 2, int(count * SLICE / took * 1.1) if took > 0 else 0)
    return min(took, *(_timed(call, count) for _ in range(repeats))) / count * 1e6


def _timed(call: Callable[[], object], count: int) -> float:
    begun = time.process_time()
    for _ in range(count):
        call()
    return time.process_time() - begun


# -- what is measured --------------------------------------------------------------------------------------------------


def _cases() -> Iterator[Case]:
    world = example_world()
    yield from _headers(world)
    yield from _entries_and_receipts(world)
    yield from _frames(world)
    yield from _proofs(world)
    yield from _alerts()
    yield from _openings(world)
    yield from _sealing(world)


def _document(to: Sequence[str]) -> dict[str, object]:
    """About 1 KiB, as the comparison with other brokers sends it."""
    return alert_document(17, to, random=counting_random("narrative"))


def _packed_and_back(data: bytes) -> Callable[[], object]:
    """The floor of a strict decoder: to unpack, and to pack again for the comparison."""
    value = msgpack.unpackb(data)

    def floor() -> None:
        msgpack.unpackb(data)
        msgpack.packb(value)

    return floor


def _packing(data: bytes) -> Callable[[], object]:
    value = msgpack.unpackb(data)
    return lambda: msgpack.packb(value)


def _coded(name: str, data: bytes, write: Callable[[], object], read: Callable[[], object]) -> Iterator[Case]:
    yield f"{name}, encode", write, _packing(data)
    yield f"{name}, decode", read, _packed_and_back(data)


def _header(world: World, recipients: int) -> Header:
    random = counting_random("header")
    names = sorted(n for n in (*world.agencies, *(f"hk-agency-{n:03}" for n in range(300))) if n != SENDER)
    return Header(
        id=parse_id("0192f0e4-5a2b-7c3d-8e4f-5a6b7c8d9e0f"),
        sender=SENDER,
        key=world.signing[SENDER].key_id,
        directory=world.directory.version,
        created=NOW,
        expires=NOW + 86_400_000,
        precedence="routine",
        marking="green",
        topic="watch",
        status="actual",
        operation=None,
        modes=("sea",),
        subjects=("container",),
        address=("all",),
        relation=None,
        recipients=tuple(Recipient(name, random(16), random(48)) for name in sorted(names[:recipients])),
        commitment=random(32),
        body_digest=random(32),
        body_size=1_424,
        attachments=(),
    )


def _headers(world: World) -> Iterator[Case]:
    for count in (1, 30, 300):
        header = _header(world, count)
        data = encode_header(header)
        yield from _coded(
            f"header, {count} recipients",
            data,
            partial(encode_header, header),
            partial(decode_header, data),
        )


def _receipt(world: World, items: int) -> Receipt:
    random = counting_random("receipt")
    ids = [parse_id(f"0192f0e4-5a2b-7c3d-8e4f-{n:012x}") for n in range(items)]
    told = tuple(ReceiptItem(1_000_000 + n, alert, random(32)) for n, alert in enumerate(ids))
    return Receipt(ME, world.signing[ME].key_id, SENDER, "stored", NOW, None, told)


def _entries_and_receipts(world: World) -> Iterator[Case]:
    header = encode_header(_header(world, 30))
    entry = alert_entry(world, _sealed_with(header))
    data = encode_entry(entry)
    yield from _coded("entry of an alert", data, lambda: encode_entry(entry), lambda: decode_entry(data))
    for count in (1, 30, 256):
        receipt = _receipt(world, count)
        written, signature = sign_receipt(receipt, world.signing[ME])
        yield from _coded(
            f"receipt, {count} items",
            written,
            partial(encode_receipt, receipt),
            partial(decode_receipt, written),
        )
        public = world.signing[ME].public
        yield (
            f"receipt, {count} items, verify",
            partial(verify_receipt, written, signature, public),
            partial(crypto_sign_open, signature + RECEIPT_CONTEXT + written, public),
        )


def _sealed_with(header: bytes) -> Any:
    """As much of a sealed alert as an entry needs."""
    return type("Sealed", (), {"header": header, "signature": bytes(64)})


def _frames(world: World) -> Iterator[Case]:
    random = counting_random("frames")
    entry = encode_entry(alert_entry(world, _sealed_with(encode_header(_header(world, 30)))))
    path = tuple(random(32) for _ in range(PATH))
    note = SmallLog(world).note()
    for count in (1, 16, 64):
        items = tuple(Item(1_000_000 + n, entry, path, random(1_424), ()) for n in range(count))
        yield from _frame(f"frame, block of {count}", Block(note, path, items))
    receipt, signature = sign_receipt(_receipt(world, 30), world.signing[ME])
    yield from _frame("frame, submit", Submit(encode_header(_header(world, 30)), bytes(64), random(1_424), ()))
    yield from _frame("frame, receipt", SendReceipt(receipt, signature))
    for count in (1, 64):
        accepted = tuple(ResultItem(random(16), True, 1_000_000 + n, "", "", "") for n in range(count))
        yield from _frame(f"frame, result of {count}", Result(accepted))


def _frame(name: str, frame: Any) -> Iterator[Case]:
    data = encode_frame(frame)
    side: Any = "hub" if isinstance(frame, Block | Result) else "node"
    return _coded(name, data, lambda: encode_frame(frame), lambda: decode_frame(data, sender=side))


def _proofs(world: World) -> Iterator[Case]:
    random = counting_random("path")
    leaf, path = random(32), [random(32) for _ in range(PATH)]
    index, size = 0b10110_01011_00101_11010, 1 << PATH
    computed = leaf
    for level, sibling in enumerate(path):
        computed = node_hash(sibling, computed) if index >> level & 1 else node_hash(computed, sibling)

    def floor() -> None:
        made = leaf
        for sibling in path:
            made = hashlib.sha256(b"\x01" + made + sibling).digest()

    yield f"inclusion, {PATH} hashes", lambda: verify_inclusion(leaf, index, size, path, computed), floor
    log = SmallLog(world)
    held = log.checkpoint()
    for number in range(50):
        log.append(number.to_bytes(2, "big"))
    note, keys = sign_checkpoint(log.checkpoint(), world.log_key), world.directory.log_keys()
    proof = prove_consistency(held.size, len(log.leaves), log.read)
    message = note[-65:] + note
    yield (
        f"checkpoint, signed and consistent ({len(proof)} hashes)",
        lambda: trust_checkpoint(note, origin=world.origin, keys=keys, held=held, proof=proof),
        _ed25519(world, message),
    )


def _ed25519(world: World, message: bytes) -> Callable[[], object]:
    """The floor of whatever verifies one signature over that many bytes."""
    key = world.signing[SENDER]
    signed = key.sign(message) + message
    return lambda: crypto_sign_open(signed, key.public)


class _Subject(BaseModel):
    type: str
    number: str


class _Plain(BaseModel):
    """The fields of the measured alert, with no rule of ours."""

    version: int
    id: str
    sender: str
    composed: int
    kind: str
    title: str
    to: list[str]
    narrative: str
    language: str
    marking: str
    status: str
    precedence: str
    subjects: list[_Subject]


def _alerts() -> Iterator[Case]:
    document = _document(["all"])
    identity = parse_id("0192f0e4-5a2b-7c3d-8e4f-5a6b7c8d9e0f")
    alert = compose_alert(document, alert_id=identity, sender=SENDER, composed=NOW)
    wire = alert_to_wire(alert)
    data = encode(wire)
    floor = partial(_Plain.model_validate, wire)
    yield "alert, from the wire", lambda: alert_from_wire(wire), floor
    yield "alert, to the wire", lambda: alert_to_wire(alert), alert.model_dump
    yield "alert, check the officer's document", lambda: check_document(document), floor
    yield (
        "alert, compose",
        lambda: compose_alert(document, alert_id=identity, sender=SENDER, composed=NOW),
        floor,
    )
    yield from _coded("alert's bytes", data, lambda: encode(wire), lambda: decode(data, max_size=1 << 20))


def _openings(world: World) -> Iterator[Case]:
    alert = _alert()
    resolution = resolve(world.directory, query_of_alert(alert, at=NOW))
    pairs = make_pairs(world, SENDER, resolution.recipients)
    sealed = seal(
        alert,
        resolution=resolution,
        directory_version=world.directory.version,
        signing=world.signing[SENDER],
        pairs=pairs,
        now=NOW,
        random=counting_random("seal"),
    )
    log = SmallLog(world)
    entry = encode_entry(alert_entry(world, sealed))
    index = log.append(entry)
    path, trusted = log.path(index), log.trusted()
    secret, header = pairs[ME].secret, decode_header(sealed.header)
    mine = next(recipient for recipient in header.recipients if recipient.agency == ME)
    content_key = unwrap(secret, header.id, header.commitment, mine.wrap)
    inner: Any = open_body(sealed.body, content_key)
    decoded: Any = decode_entry(entry)
    public = world.signing[SENDER].public
    included = read_included(include_item(index, entry, path, trusted))
    whole: Callable[[], object] = lambda: open_included(  # noqa: E731
        read_included(include_item(index, entry, path, trusted)),
        history=world.history,
        me=ME,
        body=sealed.body,
        secret_for=lambda *_: secret,
    )
    verify = _ed25519(world, sealed.header)
    wrapping, cipher = ChaCha20Poly1305(secret), ChaCha20Poly1305(content_key)
    plain = msgpack.packb(inner)

    def cryptography() -> None:
        verify()
        wrapping.encrypt(bytes(12), content_key, None)
        cipher.decrypt(bytes(12), sealed.body, b"crossbearing/1/body\0")
        for _ in path:
            hashlib.sha256(secret + secret).digest()
        hashlib.sha256(entry).digest()
        hashlib.sha256(sealed.body).digest()

    yield f"open, {len(header.recipients)} recipients: steps 1 and 3 to 11", whole, cryptography
    yield "  1 entry, 3 included", lambda: include_item(index, entry, path, trusted), None
    yield "  1 header", lambda: read_included(include_item(index, entry, path, trusted)), None
    yield "  4 sender's key", lambda: sender_key(index, decoded, header, world.history), None
    yield "  5 signature", lambda: verify_header(decoded.header, decoded.signature, public), verify
    yield "  8 unwrap", lambda: unwrap(secret, header.id, header.commitment, mine.wrap), None
    yield "  8 commitment", lambda: commitment(content_key), None
    yield "  9 digest of the body", lambda: sha256(sealed.body), None
    yield "  9 decrypt, unpad, decode", lambda: open_body(sealed.body, content_key), _packed_and_back(plain)
    yield "  10 alert inside", lambda: alert_inside(inner, header, world.history.version(header.directory)), None
    yield "  11 schema", lambda: alert_from_wire(inner["alert"]), None
    yield (
        "  4 to 11",
        lambda: open_included(included, history=world.history, me=ME, body=sealed.body, secret_for=lambda *_: secret),
        None,
    )


def _alert() -> Alert:
    identity = parse_id("0192f0e4-5a2b-7c3d-8e4f-5a6b7c8d9e0f")
    return compose_alert(_document(["all"]), alert_id=identity, sender=SENDER, composed=NOW)


def _sealing(world: World) -> Iterator[Case]:
    alert = _alert()
    query = query_of_alert(alert, at=NOW)
    resolution = resolve(world.directory, query)
    pairs = make_pairs(world, SENDER, resolution.recipients)
    key, random = world.signing[SENDER], counting_random("seal")
    fixed = random(32)
    header = _header(world, 30)
    wire: dict[str, Value] = alert_to_wire(alert)
    yield "route, question of a header", lambda: query_of(header), None
    yield "route, resolve", lambda: resolve(world.directory, query), None
    yield "route, subjects to disclose", lambda: disclosed(world.directory, query), None
    sealed = encode_header(header)

    def cryptography() -> None:
        cipher = ChaCha20Poly1305(fixed)
        key.sign(sealed)
        cipher.encrypt(bytes(12), sealed[:1_400], b"crossbearing/1/body\0")
        for _ in resolution.recipients:
            hashlib.blake2b(fixed, digest_size=32, key=fixed).digest()
            ChaCha20Poly1305(fixed).encrypt(bytes(12), fixed, None)

    yield (
        f"seal for {len(resolution.recipients)}",
        lambda: seal(
            alert,
            resolution=resolution,
            directory_version=world.directory.version,
            signing=key,
            pairs=pairs,
            now=NOW,
            random=lambda _: fixed,
        ),
        cryptography,
    )
    yield "  body", lambda: seal_body({"id": header.id, "sender": SENDER, "alert": wire}, fixed), None
    yield "  signature", lambda: sign_header(sealed, key), None


if __name__ == "__main__":
    sys.exit(main())
