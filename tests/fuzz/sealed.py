"""What is encrypted, or is judged only after its signature: what a partner's own keys can put into good wrapping.

Bytes that do not decrypt or verify are refused at once and lead nowhere, so these targets seal and sign the input with
the right keys and look at what comes out behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import shake_256
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from broker.draft import NewDirectory, Work
from schemas.codec import Value, decode, encode
from schemas.envelope.attachment import open_attachment
from schemas.envelope.body import commitment, open_body, padded_size, seal_body
from schemas.envelope.disclosure import known_lines, verify_disclosure
from schemas.envelope.header import sign_header
from schemas.envelope.opener import OPENER_SIZE, open_opener, opener_id, unwrap, wrap
from schemas.envelope.opening import open_alert
from schemas.envelope.seal import PairKey, seal
from schemas.errors import (
    AttachmentUnreadable,
    BadConfig,
    BodyUnreadable,
    CrossbearingError,
    EncodingRefusal,
    OpenerUnknown,
    Refusal,
    WrapFailed,
    WrongPassphrase,
)
from schemas.ids import sha256
from schemas.limits import MAX_FRAME
from schemas.log.entry import AlertEntry, encode_entry
from schemas.log.receipt import RECEIPT_CONTEXT
from schemas.routing.resolve import query_of_alert, resolve
from schemas.sealed import open_secrets, seal_secrets
from schemas.session.frames import SendReceipt, Submit
from tests.fuzz.promise import Target
from tests.support.directory import NOW, World, make_world
from tests.support.disclosing import Disclosing
from tests.support.envelope import SmallLog, counting_random, make_alert
from tests.support.hub_core import HubCore, submission

SENDER: Final = "hk-customs"
ME: Final = "sg-cnb"
KEY: Final = bytes(range(32))
FORM: Final = "crossbearing/fuzzing/1"
PASSPHRASE: Final = b"a passphrase"
_BODY_CONTEXT = b"crossbearing/1/body\0"


@cache
def world() -> World:
    """The world in which the partner lives; made when it is first needed."""
    return make_world()


@cache
def disclosing() -> Disclosing:
    """The one disclosure there is."""
    return Disclosing(pair=lambda sender, recipient, _key, _sealing: _pair(sender, recipient))


def _pair(sender: str, recipient: str) -> PairKey:
    """A pair key whose opener only looks like one, so that it is the same in every process."""
    made = shake_256(f"{sender} {recipient}".encode()).digest(32 + OPENER_SIZE)
    return PairKey(recipient, made[:32], opener_id(made[32:]), made[32:])


@cache
def pairs() -> Mapping[str, PairKey]:
    """The sender's, with all others."""
    return {agency: _pair(SENDER, agency) for agency in world().agencies if agency != SENDER}


@cache
def alert() -> Submit:
    """The alert that the hub logged before anything else."""
    made = make_alert(world(), SENDER)
    sealed = seal(
        made,
        resolution=resolve(world().directory, query_of_alert(made, at=NOW)),
        directory_version=world().directory.version,
        signing=world().signing[SENDER],
        pairs=pairs(),
        now=NOW,
        random=counting_random("fuzzing"),
    )
    return submission(sealed, dict(pairs()))


@cache
def hub() -> HubCore:
    """A hub that logged `alert`. Few refusals a minute are logged, so that its memory does not grow with the inputs."""
    core = HubCore(world(), refusals_per_minute=2, receipts_per_minute=1_000_000_000)
    core.accepted(SENDER, alert())
    return core


def fuzz_body(data: bytes) -> bool:
    """A body sealed over any bytes opens to what sealing its value gives again; bytes not sealed never open."""
    sealed = ChaCha20Poly1305(KEY).encrypt(bytes(12), data, _BODY_CONTEXT)
    try:
        open_body(data, KEY)
    except BodyUnreadable:
        pass
    else:
        raise AssertionError("opened what nobody sealed")
    try:
        value = open_body(sealed, KEY)
    except BodyUnreadable:
        return False
    if isinstance(value, dict):
        assert seal_body(value, KEY) == sealed
    return True


def fuzz_attachment(data: bytes) -> bool:
    """A stream opens to less than it weighs, however it is cut; and only the one that was sealed."""
    cut = 1 + (data[-1] if data else 0)
    pieces = [data[at : at + cut] for at in range(0, len(data), cut)]
    try:
        plain = b"".join(open_attachment(pieces, KEY, digest=sha256(data)))
    except AttachmentUnreadable:
        return False
    assert len(plain) < len(data)
    return True


def fuzz_opener(data: bytes) -> bool:
    """Nothing opens but what was made for us, and nothing unwraps but a wrap."""
    held = world()
    try:
        unwrap(KEY, data[:16], data[16:48], data[48:96])
    except WrapFailed:
        pass
    else:
        raise AssertionError("unwrapped what nobody wrapped")
    try:
        secret = open_opener(
            data, sender=SENDER, recipient=ME, sender_key_id=held.signing[SENDER].key_id, keys=[held.sealing[ME]]
        )
    except OpenerUnknown:
        return False
    assert len(secret) == 32
    return True


def fuzz_keystore(data: bytes) -> bool:
    """A file of secrets opens with its passphrase, and is sealed again to the same bytes."""
    try:
        value = open_secrets(data, FORM, PASSPHRASE, "the file")
    except (BadConfig, WrongPassphrase):
        return False
    outer = decode(data, max_size=MAX_FRAME)
    assert isinstance(outer, dict)
    used = [outer["salt"], outer["nonce"]]
    ops, memory = outer["ops"], outer["memory"]
    assert isinstance(ops, int)
    assert isinstance(memory, int)
    again = seal_secrets(FORM, value, PASSPHRASE, lambda _: used.pop(0), ops=ops, memory=memory)  # type: ignore[arg-type, return-value]  # salt and nonce are bytes
    assert again == data
    return True


def fuzz_proven(data: bytes) -> bool:
    """A disclosure is proven only if it is the one that was made, whatever else is written into the file."""
    known = disclosing()
    try:
        proven = verify_disclosure(data, keys=known.keys, trusted_root=known.world.trusted_root)
    except Refusal as refusal:
        assert refusal.context.get("step") in range(1, 11)
        return False
    assert data == known.data
    assert proven.alert == known.alert
    return True


def fuzz_known_lines(data: bytes) -> bool:
    """Of a checkpoint's lines only those by known keys are kept, and those verify."""
    known = disclosing()
    try:
        kept = known_lines(data, known.world.directory, known.keys)
    except Refusal:
        return False
    assert known_lines(kept, known.world.directory, known.keys) == kept
    return True


def fuzz_partner(data: bytes) -> bool:
    """What a partner agency signs and seals with its own keys, whatever it is, is refused with a step or is an alert.

    The input is a list of a header's map and the plaintext; digests, key commitment, wraps and signature are made good.
    The hub judges the submission, and a recipient opens what a careless hub would have logged.
    """
    submit = _submission(data)
    if submit is None:
        return False
    verdict = hub().commit(Work(SENDER, submit)).verdicts[0]
    accepted = isinstance(verdict, int)
    log = SmallLog(world())
    entry = encode_entry(AlertEntry(NOW, world().directory.version, submit.header, submit.signature))
    index = log.append(entry)
    try:
        opened = open_alert(
            index,
            entry,
            log.path(index),
            log.trusted(),
            history=world().history,
            me=ME,
            body=submit.body,
            secret_for=_secret,
        )
    except Refusal as refusal:
        assert refusal.context.get("step") in range(1, 12)
        return accepted
    assert opened.alert.sender == SENDER
    return True


def fuzz_receipt_in(data: bytes) -> bool:
    """What a partner signs as a receipt is refused with a step or logged."""
    signature = world().signing[ME].sign(RECEIPT_CONTEXT + data)
    verdict = hub().commit(Work(ME, SendReceipt(data, signature))).verdicts[0]
    assert isinstance(verdict, int | CrossbearingError)
    return isinstance(verdict, int)


def fuzz_publication(data: bytes) -> bool:
    """What a partner publishes as its keys is refused or is what its administrators signed."""
    verdict = hub().commit(Work(SENDER, NewDirectory(SENDER, 2, data))).verdicts[0]
    assert isinstance(verdict, int | CrossbearingError)
    return isinstance(verdict, int)


def _secret(identity: bytes, sender: str, sender_key_id: bytes) -> bytes:
    if (identity, sender) != (pairs()[ME].opener_id, SENDER) or sender_key_id != world().signing[SENDER].key_id:
        raise OpenerUnknown("no such opener is held")
    return pairs()[ME].secret


def _submission(data: bytes) -> Submit | None:
    """The input in good wrapping; None if it is no header and plaintext at all."""
    try:
        value = decode(data, max_size=MAX_FRAME)
    except EncodingRefusal:
        return None
    match value:
        case [dict(header), bytes(plaintext)]:
            pass
        case _:
            return None
    padded = (plaintext + b"\x80").ljust(padded_size(len(plaintext) + 1), b"\0")
    body = ChaCha20Poly1305(KEY).encrypt(bytes(12), padded, _BODY_CONTEXT)
    good: dict[str, Value] = {"commitment": commitment(KEY), "body_digest": sha256(body), "body_size": len(body)}
    header = {name: good.get(name, item) for name, item in header.items()}
    header["recipients"] = _wrapped(header)
    try:
        encoded = encode(header)
    except EncodingRefusal:
        return None
    openers = tuple(pair.opener for pair in pairs().values())
    return Submit(encoded, sign_header(encoded, world().signing[SENDER]), body, openers)


def _wrapped(header: dict[str, Value]) -> Value:
    """The recipients, with wraps that open for those of the world."""
    recipients, alert_id = header.get("recipients"), header.get("id")
    if not isinstance(recipients, list) or not isinstance(alert_id, bytes) or len(alert_id) != 16:
        return recipients
    made: list[Value] = []
    for recipient in recipients:
        match recipient:
            case [str(agency), bytes(opener), bytes()] if agency in pairs():
                made.append([agency, opener, wrap(pairs()[agency].secret, alert_id, commitment(KEY), KEY)])
            case _:
                made.append(recipient)
    return made


SEALED: Final[Mapping[str, Target]] = {
    "attachment": fuzz_attachment,
    "body": fuzz_body,
    "keystore": fuzz_keystore,
    "known-lines": fuzz_known_lines,
    "opener": fuzz_opener,
    "partner": fuzz_partner,
    "proven": fuzz_proven,
    "publication": fuzz_publication,
    "receipt-in": fuzz_receipt_in,
}
"""By the name of the folder in the corpus."""
