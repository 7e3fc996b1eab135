"""The checkpoint vectors: one signed and cosigned tree head, and one defect in each of the others."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from schemas.example import example_seed
from schemas.keys import MlDsaKey, SigningKey, WitnessKey
from schemas.log.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from schemas.log.cosignature import Cosigner, Tree, sign_text, sign_tree
from schemas.log.merkle import EMPTY_ROOT
from schemas.log.note import ED25519_COSIGNATURE, ML_DSA_44, NoteSignature, note_key, sign_note
from schemas.log.policy import Group, KnownLog, KnownWitness, Policy, format_policy
from tests.support.trees import grow
from tests.vectors.fixed import Fixed

ORIGIN = "crossbearing.example/log"
SIZE = 1_234
TREE = grow(SIZE)
ROOT = TREE.roots[SIZE]
NOW = 1_788_220_800_000
LOG_KEY = SigningKey(example_seed("broker", "log"))
LOG_PQ_SEED = example_seed("broker", "log-pq")
WITNESSES = ("hk-customs", "sg-cnb", "nz-customs")
TEXT = format_checkpoint(Checkpoint(ORIGIN, SIZE, ROOT))
B64_ROOT = b64encode(ROOT).decode()

Case = tuple[str, bytes, str | None]
"""What is wrong in a sentence, the note, and the code expected; None for a checkpoint to be trusted."""


class Parts:
    """The keys and lines that the cases are put together from."""

    def __init__(self, fixed: Fixed) -> None:
        self.log_pq = fixed.ml_dsa(LOG_PQ_SEED)
        self.cosigners: dict[str, tuple[WitnessKey, MlDsaKey]] = {
            name: (WitnessKey(example_seed(name, "witness")), fixed.ml_dsa(example_seed(name, "witness-pq")))
            for name in WITNESSES
        }
        self.log_line = sign_note(TEXT, ORIGIN, LOG_KEY)
        self.log_pq_line = sign_tree(Tree(ORIGIN, SIZE, ROOT), ORIGIN, self.log_pq, now=NOW)

    def policy(self) -> bytes:
        """Both log keys, and two of three agencies, each with either of its two keys."""
        logs = (note_key(ORIGIN, LOG_KEY.public), note_key(ORIGIN, self.log_pq.public, ML_DSA_44))
        witnesses, groups = {}, {}
        for name, (classical, post_quantum) in self.cosigners.items():
            witnesses[f"{name}-04"] = KnownWitness(note_key(f"{name}.example", classical.public, ED25519_COSIGNATURE))
            witnesses[f"{name}-06"] = KnownWitness(note_key(f"{name}.example", post_quantum.public, ML_DSA_44))
            groups[name] = Group(1, (f"{name}-04", f"{name}-06"))
        groups["quorum"] = Group(2, WITNESSES)
        return format_policy(Policy(tuple(map(KnownLog, logs)), witnesses, groups, "quorum"))

    def cosigned(self, name: str, *, now: int = NOW) -> tuple[NoteSignature, NoteSignature]:
        """Both lines of a witness over the usual checkpoint."""
        classical, post_quantum = self.cosigners[name]
        lines = Cosigner(f"{name}.example", classical, post_quantum).cosign(TEXT, Tree(ORIGIN, SIZE, ROOT), now=now)
        return lines[0], lines[1]


def note(*lines: NoteSignature, text: str = TEXT) -> bytes:
    """A note with these signature lines."""
    return f"{text}\n{''.join(line.line for line in lines)}".encode()


def signed(text: str) -> bytes:
    """The text as it stands under a good signature of the log: what is wrong is the text itself."""
    return note(NoteSignature(ORIGIN, note_key(ORIGIN, LOG_KEY.public).key_id, LOG_KEY.sign(text.encode())), text=text)


def cases(parts: Parts) -> dict[str, Case]:
    """All of them by name."""
    return {**_good(parts), **_texts(), **_lines(parts), **_signers(parts)}


def _good(parts: Parts) -> dict[str, Case]:
    hk, sg = parts.cosigned("hk-customs"), parts.cosigned("sg-cnb")
    stranger = sign_text(TEXT, "stranger.example", WitnessKey(bytes(32)), now=NOW)
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    classical, post_quantum = parts.cosigners["hk-customs"]
    nothing = Cosigner("hk-customs.example", classical, None).cosign(
        format_checkpoint(empty), Tree(ORIGIN, 0, EMPTY_ROOT), now=NOW
    )
    of_nothing = sign_tree(Tree(ORIGIN, 0, EMPTY_ROOT), "sg-cnb.example", parts.cosigners["sg-cnb"][1], now=NOW)
    untimed = sign_tree(Tree(ORIGIN, SIZE, ROOT), "hk-customs.example", post_quantum, now=0)
    return {
        "good": (
            "Both log keys signed, two agencies cosigned.",
            note(parts.log_line, parts.log_pq_line, *hk, *sg),
            None,
        ),
        "good-ed25519": ("Ed25519 lines only.", note(parts.log_line, hk[0], sg[0]), None),
        "good-ml-dsa-44": ("ML-DSA-44 lines only.", note(parts.log_pq_line, hk[1], sg[1]), None),
        "good-any-order": ("The order of lines means nothing.", note(sg[1], parts.log_line, hk[0]), None),
        "good-unknown-line": (
            "A line by an unknown key is ignored.",
            note(stranger, parts.log_line, hk[0], sg[0]),
            None,
        ),
        "good-unknown-id": (
            "A line with a known name but another key id is ignored.",
            note(NoteSignature(ORIGIN, b"\0\0\0\0", bytes(64)), parts.log_line, hk[0], sg[0]),
            None,
        ),
        "good-empty-log": (
            "A log without entries.",
            sign_checkpoint(empty, LOG_KEY) + f"{nothing[0].line}{of_nothing.line}".encode(),
            None,
        ),
        "good-untimed-ml-dsa-44": ("An ML-DSA-44 line may state no time.", note(parts.log_line, untimed, sg[0]), None),
    }


def _texts() -> dict[str, Case]:
    def size(text: str) -> bytes:
        return signed(TEXT.replace(f"\n{SIZE}\n", f"\n{text}\n"))

    def root(text: str) -> bytes:
        return signed(TEXT.replace(B64_ROOT, text))

    def origin(text: str) -> bytes:
        return signed(TEXT.replace(ORIGIN, text))

    last = chr(ord(B64_ROOT[-2]) + 1)
    short, long = b64encode(ROOT[:-1]).decode(), b64encode(ROOT + b"\0").decode()
    made: dict[str, tuple[str, bytes]] = {
        "size-leading-zero": ("The size has a leading zero.", size("01234")),
        "size-plus-sign": ("The size has a sign.", size("+1234")),
        "size-minus-sign": ("The size is negative.", size("-1234")),
        "size-underscore": ("The size has an underscore, as source code may.", size("1_234")),
        "size-space": ("A space stands before the size.", size(" 1234")),
        "size-hexadecimal": ("The size is in hexadecimal.", size("0x4d2")),
        "size-empty": ("The size is empty.", size("")),
        "size-out-of-range": ("The size is 2^63.", size(str(1 << 63))),
        "size-other-digits": ("The size is in Arabic-Indic digits.", size("\u0661\u0662\u0663\u0664")),
        "size-zero": ("The size is 0, but the root is not the empty one.", size("0")),
        "root-short": ("The root has 31 bytes.", root(short)),
        "root-long": ("The root has 33 bytes.", root(long)),
        "root-unpadded": ("The root's padding is missing.", root(B64_ROOT.rstrip("="))),
        "root-overpadded": ("The root has one padding character too many.", root(B64_ROOT + "=")),
        "root-stray-bits": ("Bits that base64 leaves over are not zero.", root(B64_ROOT[:-2] + last + "=")),
        "root-junk": ("A space stands within the root.", root(B64_ROOT[:10] + " " + B64_ROOT[10:])),
        "root-url-alphabet": ("The root is in the alphabet for URLs.", root("-" + B64_ROOT[1:])),
        "origin-empty": ("The origin is empty.", origin("")),
        "origin-space": ("The origin has a space.", origin("crossbearing example")),
        "origin-plus": ("The origin has a plus sign.", origin("crossbearing.example+log")),
        "extension-line": ("A line follows the root.", signed(TEXT + "extension\n")),
        "line-missing": ("There is no root.", signed(TEXT.replace(B64_ROOT + "\n", ""))),
        "line-empty": ("An empty line follows the root.", signed(TEXT + "\n")),
        "carriage-returns": ("Lines end as on another system.", signed(TEXT).replace(b"\n", b"\r\n")),
        "control-character": ("There is a tab in the origin.", origin("crossbearing.example\tlog")),
        "not-utf-8": ("A byte is not valid UTF-8.", signed(TEXT).replace(b"cross", b"cr\xffss", 1)),
    }
    return {name: (sentence, data, "bad-checkpoint") for name, (sentence, data) in made.items()}


def _lines(parts: Parts) -> dict[str, Case]:
    line = parts.log_line.line
    payload = line.split(" ")[2].rstrip("\n")

    def raw(text: str) -> bytes:
        return f"{TEXT}\n{text}".encode()

    made: dict[str, tuple[str, bytes]] = {
        "signatures-missing": ("There is no signature line.", raw("")),
        "separator-missing": ("No empty line stands above the signatures.", f"{TEXT}{line}".encode()),
        "newline-missing": ("The last line does not end.", raw(line[:-1])),
        "dash-hyphen": ("A signature line begins with a hyphen.", raw(line.replace("\u2014", "-"))),
        "dash-unspaced": ("No space follows the dash.", raw(line.replace("\u2014 ", "\u2014"))),
        "name-empty": ("A signature line has no name.", raw(f"\u2014  {payload}\n")),
        "name-plus": ("The signer's name has a plus sign.", raw(f"\u2014 a+b {payload}\n")),
        "signature-unpadded": ("A signature's padding is missing.", raw(line.replace("=", ""))),
        "signature-trailing-space": ("A space ends a signature line.", raw(line.replace("\n", " \n"))),
        "signature-empty": ("A line has a key id and no signature.", raw(f"\u2014 {ORIGIN} PitLlw==\n")),
        "signatures-too-many": ("There are 101 signature lines.", raw(line.replace(ORIGIN, "other.example") * 101)),
        "known-key-twice": ("The log's key signed twice.", note(parts.log_line, parts.log_line)),
    }
    return {name: (sentence, data, "bad-checkpoint") for name, (sentence, data) in made.items()}


def _signers(parts: Parts) -> dict[str, Case]:
    hk, sg = parts.cosigned("hk-customs"), parts.cosigned("sg-cnb")
    good = (parts.log_line, hk[0], sg[0])
    other_text = TEXT.replace(str(SIZE), str(SIZE - 1))
    other = Tree(ORIGIN, SIZE - 1, ROOT)
    classical, post_quantum = parts.cosigners["nz-customs"]
    nz_04 = note_key("nz-customs.example", classical.public, ED25519_COSIGNATURE)
    nz_06 = note_key("nz-customs.example", post_quantum.public, ML_DSA_44)
    nz = parts.cosigned("nz-customs")
    renamed = sign_tree(Tree(ORIGIN, SIZE, ROOT), "renamed.example", post_quantum, now=NOW)
    elsewhere = sign_tree(Tree("other.example/log", SIZE, ROOT), "nz-customs.example", post_quantum, now=NOW)
    plain = NoteSignature(nz_04.name, nz_04.key_id, NOW.to_bytes(8, "big") + classical.sign(TEXT.encode()))

    def changed(line: NoteSignature, change: Callable[[bytes], bytes]) -> NoteSignature:
        return replace(line, signature=change(line.signature))

    bad: dict[str, tuple[str, NoteSignature]] = {
        "cosignature-flipped": ("A bit of an Ed25519 cosignature.", changed(nz[0], _flipped(40))),
        "cosignature-flipped-ml-dsa-44": ("A bit of an ML-DSA-44 cosignature.", changed(nz[1], _flipped(1000))),
        "cosignature-other-time": ("The time stated is not the time signed.", changed(nz[0], _flipped(7))),
        "cosignature-other-time-ml-dsa-44": ("The time stated is not the time signed.", changed(nz[1], _flipped(7))),
        "cosignature-time-out-of-range": ("The time is 2^63 seconds or more.", changed(nz[0], _flipped(0, 0x80))),
        "cosignature-truncated": ("The last byte is missing.", changed(nz[0], lambda data: data[:-1])),
        "cosignature-truncated-ml-dsa-44": ("The last byte is missing.", changed(nz[1], lambda data: data[:-1])),
        "cosignature-untimed": ("The line lacks the eight bytes of the time.", changed(nz[0], lambda data: data[8:])),
        "cosignature-of-the-bare-text": ("The witness signed the text as the log does.", plain),
        "cosignature-of-another-size": (
            "It is of another checkpoint.",
            sign_text(other_text, "nz-customs.example", classical, now=NOW),
        ),
        "cosignature-of-another-size-ml-dsa-44": (
            "It is of another checkpoint.",
            sign_tree(other, "nz-customs.example", post_quantum, now=NOW),
        ),
        "cosignature-of-another-log": ("It is of another log's tree.", elsewhere),
        "cosignature-by-another-name": (
            "It was made under another name.",
            NoteSignature(nz_06.name, nz_06.key_id, renamed.signature),
        ),
    }
    made: dict[str, Case] = {
        name: (sentence, note(*good, line), "bad-signature") for name, (sentence, line) in bad.items()
    }
    flipped = changed(parts.log_line, _flipped(20))
    flipped_pq = changed(parts.log_pq_line, _flipped(900))
    stranger = sign_note(TEXT, ORIGIN, SigningKey(bytes(32)))
    strange_log = sign_checkpoint(Checkpoint("other.example/log", SIZE, ROOT), LOG_KEY)
    quorum = (*hk, *sg)
    return made | {
        "signature-flipped": ("A bit of the log's signature.", note(flipped, *quorum), "bad-signature"),
        "signature-flipped-ml-dsa-44": (
            "One of the log's two signatures fails.",
            note(parts.log_line, flipped_pq, *quorum),
            "bad-signature",
        ),
        "text-changed": ("The size is not the one signed.", note(*good, text=other_text), "bad-signature"),
        "log-unknown-key": ("A key not known signed for the log.", note(stranger, *quorum), "checkpoint-untrusted"),
        "log-signature-missing": ("Only witnesses signed.", note(*quorum), "checkpoint-untrusted"),
        "log-other": ("It is another log's checkpoint.", strange_log, "checkpoint-untrusted"),
        "quorum-missing": ("One agency of three cosigned.", note(parts.log_line, *hk), "no-quorum"),
        "quorum-by-strangers": (
            "The second cosignature is by a key not known.",
            note(parts.log_line, *hk, sign_text(TEXT, "sg-cnb.example", WitnessKey(bytes(32)), now=NOW)),
            "no-quorum",
        ),
    }


def _flipped(at: int, bit: int = 0x01) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


def files(fixed: Fixed) -> dict[str, Any]:
    """One file for each vector, and the policy for all."""
    parts = Parts(fixed)
    made: dict[str, Any] = {"checkpoint.json": {"origin": ORIGIN, "policy": parts.policy().decode()}}
    for name, (sentence, data, code) in cases(parts).items():
        size = 0 if name == "good-empty-log" else SIZE
        trusted = {"size": size, "root": TREE.roots[size].hex()}
        made[f"checkpoint/{name}.json"] = {
            "name": name,
            "description": sentence,
            "expected": trusted if code is None else {"code": code},
            "provenance": "tests/vectors/checkpoint_cases.py; ML-DSA-44 signatures as in fixed.json",
            "input": {"note": data.hex()},
        }
    return made
