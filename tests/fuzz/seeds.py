"""Good inputs of every target, made from the formats as they are: what fuzzing starts from, beside what it found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from broker.governance.source_text import source_text
from certs.example.pki import authority, leaf
from schemas.alert.document import alert_to_wire, compose_alert, load_document
from schemas.carrier.records import End, Segment, SignedManifest, encode_manifest, encode_record
from schemas.codec import Value, decode, encode
from schemas.directory.governed import governed_by
from schemas.directory.metadata import decode_bundle
from schemas.directory.strict_json import dump_json, load_json
from schemas.envelope.attachment import seal_attachment
from schemas.envelope.body import padded_size
from schemas.envelope.header import decode_header
from schemas.limits import MAX_FRAME
from schemas.log.entry import PurgeEntry, ReceiptEntry, RefusalEntry, encode_entry
from schemas.log.evidence import Evidence, Included, encode_evidence
from schemas.log.receipt import encode_receipt
from schemas.sealed import seal_secrets
from schemas.session.frames import encode_frame
from tests.fuzz.sealed import FORM, KEY, ME, PASSPHRASE, SENDER, alert, disclosing, hub, world
from tests.fuzz.wire import CARRIED
from tests.support.carrying import TO_NODE
from tests.support.directory import DAY_MS, NOW
from tests.support.envelope import counting_random, make_alert, make_pairs
from tests.unit.schemas.session.test_frames import EVERY

ROOT = Path(__file__).parents[2]
CASES = ROOT / "schemas" / "examples" / "cases"

_ID = bytes.fromhex("0192000000007000800000000000000a")

Seed = tuple[str, str, bytes]
"""Target, name and bytes."""


def seeds() -> Iterator[Seed]:
    """At least one good input of each target but those of signed text, whose inputs all lie in the corpus."""
    yield from _wire()
    yield from _documents()
    yield from _governed()
    yield from _sealed()
    yield from _local()


def _wire() -> Iterator[Seed]:
    frames = [(number, frame, side) for number, (frame, side) in enumerate(EVERY)]
    for number, frame, side in frames:
        yield f"frame-of-{side}", f"seed-{number:02}-{type(frame).__name__.lower()}", encode_frame(frame)
    for role, peer in (("n", "hub"), ("h", "node")):
        told = [encode_frame(frame) for _, frame, side in frames if side == peer][1:]
        yield "session", f"seed-{role}", role.encode() + b"".join(len(f).to_bytes(2, "big") + f for f in told)
    yield "carrier", "seed", CARRIED
    yield "carrier-manifest", "seed", encode_manifest(TO_NODE)
    for name, record in (
        ("manifest", SignedManifest(b"m", bytes(64))),
        ("segment", Segment(1, (bytes(32),), bytes(64))),
    ):
        yield "carrier-record", f"seed-{name}", encode_record(record)
    yield "carrier-record", "seed-end", encode_record(End(7))
    made = disclosing()
    core = hub()
    index = len(core.entries()) - 1
    receipt = encode_receipt(core.receipt(ME, index))
    yield "receipt-in", "seed", receipt
    yield "header", "seed", alert().header
    yield "peek", "seed", alert().header
    yield "receipt", "seed-stored", receipt
    yield "receipt", "seed-refused", encode_receipt(core.receipt(ME, index, state="refused"))
    for number, entry in enumerate(
        (
            *core.entries()[-2:],
            ReceiptEntry(NOW, 5, receipt, bytes(64)),
            RefusalEntry(NOW, 5, SENDER, "quota", bytes(32)),
            PurgeEntry(NOW, 5, 4, "retention-period", ("governors",)),
        )
    ):
        yield "entry", f"seed-{number}", encode_entry(entry)
        yield "survey", f"seed-{number}", encode_entry(entry)
    path = (bytes(32), b"\x01" * 32)
    yield "path", "seed", encode(list(path))
    yield "evidence", "seed", encode_evidence(Evidence(b"a note", b"an entry", path, (Included(0, path),)))
    yield "disclosure", "seed", made.data
    yield "proven", "seed", made.data
    yield "codec", "seed-all", encode({"a": [None, True, -1, 1 << 63, "é", b"\xff"], "b": {"c": [[], {}]}})
    yield "told", "seed", b"quota\0too many\0wait a minute"


def _documents() -> Iterator[Seed]:
    for case in sorted(CASES.glob("*.yaml"))[::12]:
        text = case.read_bytes()
        if case.name == "index.yaml":
            continue
        yield "document-yaml", f"seed-{case.stem}", text
        document = load_document(text.decode(), format="yaml")
        alert = compose_alert(
            document, alert_id=bytes(6) + b"\x70" + bytes(1) + b"\x80" + bytes(7), sender=SENDER, composed=NOW
        )
        wire = alert_to_wire(alert)
        yield "alert", f"seed-{case.stem}", encode(wire)
        fields: dict[str, Any] = {name: wire[name] for name in document if name in wire}
        yield "document-json", f"seed-{case.stem}", dump_json(fields)
        yield "request", f"seed-{case.stem}", dump_json({"document": fields, "officer": "Wong"})


def _governed() -> Iterator[Seed]:
    held = world()
    for made in held.bundles[:3]:
        parts = decode_bundle(made.bundle)
        yield "directory-bundle", f"seed-{made.role}", made.bundle
        yield ("root" if made.role == "root" else "targets"), f"seed-{made.role}", parts.metadata
        yield "strict-json", f"seed-{made.role}", parts.metadata
    documents = {made.role: decode_bundle(made.bundle).target for made in held.bundles}
    bundles = {made.role: made.bundle for made in held.bundles}
    yield "agency-keys", "seed", documents[SENDER]
    yield "key-request", "seed", bundles[SENDER]
    yield "directory-json", "seed", documents["targets"]
    yield "publication", "seed", held.bundle(SENDER, version=2).bundle
    example = load_json((ROOT / "certs/example/repository/directory.json").read_bytes(), "the example")
    rules = example["rules"]
    assert isinstance(rules, list)
    for number, rule in enumerate(rules[::4]):
        yield "rule", f"seed-{number}", dump_json({"rule": rule})
    request: dict[str, Value] = {"id": "ports", "topics": ["seizure"], "regions": ["asia"], "reason": "our ports"}
    yield "requests", "seed", dump_json({"requests": [request]})
    contact: dict[str, Value] = {"id": "desk", "kind": "webhook", "url": "https://desk.example/x?y=1", "pin": "0" * 64}
    yield "contacts", "seed", dump_json({"contacts": [contact]})
    yield "witnesses", "seed", dump_json({"witnesses": {"quorum": 2}})
    yield "source", "seed", source_text(governed_by(held.directory), agencies_expire=NOW + 300 * DAY_MS).encode()
    for number, signatory in enumerate(governed_by(held.directory).governors.signatories[:1]):
        yield "public-key", f"seed-{number}", signatory.key.encode()
    yield "public-key", "seed-p256", b"p256:02" + (b"6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
    for name in (SENDER, "auditor-1", "nobody"):
        certificate = load_pem_x509_certificate(leaf(name).certificate)
        yield "certificate", f"seed-{name}", certificate.public_bytes(Encoding.DER)
    yield "certificate", "seed-ca", load_pem_x509_certificate(authority().certificate).public_bytes(Encoding.DER)


def _sealed() -> Iterator[Seed]:
    made = disclosing()
    plaintext = made.disclosure.plaintext
    yield "body", "seed", (plaintext + b"\x80").ljust(padded_size(len(plaintext) + 1), b"\0")
    yield "attachment", "seed", b"".join(seal_attachment([b"a photograph would stand here"], KEY))
    yield "attachment", "seed-empty", b"".join(seal_attachment([], KEY))
    yield "opener", "seed", make_pairs(world(), SENDER, [ME])[ME].opener
    yield "keystore", "seed", seal_secrets(FORM, {"seed": bytes(32)}, PASSPHRASE, counting_random("keystore"))
    yield "known-lines", "seed", made.disclosure.checkpoint
    yield "served-note", "seed", made.disclosure.checkpoint
    inner: dict[str, Value] = {
        "id": decode_header(alert().header).id,
        "sender": SENDER,
        "alert": alert_to_wire(make_alert(world(), SENDER)),
    }
    yield "partner", "seed", encode([decode(alert().header, max_size=MAX_FRAME), encode(inner)])


def _local() -> Iterator[Seed]:
    for number, text in enumerate(("hk-customs", "region:asia", "operation:marker", "all")):
        yield "address", f"seed-{number}", text.encode()
    yield "id", "seed", b"0192f0c1-7d6a-7cc3-98c4-dc0c0c07398f"
    yield "query", "seed", b"limit=50&state=unread&before=0192f0c1-7d6a-7cc3-98c4-dc0c0c07398f&q=%C3%A9+b"
    yield "request", "seed-ack", b'{"state": "read", "officer": "Wong"}'
    for name in ("broker", "node"):
        yield "settings", f"seed-{name}", (ROOT / f"deploy/config/{name}.toml").read_bytes()
    for number, text in enumerate(("127.0.0.1:7443", "[::1]:0", "0" * 64, "2026-09-01T08:15")):
        yield "settings-text", f"seed-{number}", text.encode()
    yield "split", "seed", b"\x02\x00\x03one\x00\x00"
