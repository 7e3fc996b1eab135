from __future__ import annotations

import pytest

from schemas.errors import BadCheckpoint, BadSignature, CheckpointUntrusted, NoQuorum
from schemas.keys import MlDsaKey, WitnessKey
from schemas.log.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from schemas.log.cosignature import Cosigner, Tree
from schemas.log.policy import KnownLog, KnownWitness, Policy, parse_policy
from schemas.log.witnessed import read_witnessed, verify_witnessed
from tests.support.witnessing import GROWN, LOG_KEY, LOG_KEYS, LOG_PQ, NOW, ORIGIN

CHECKPOINT = Checkpoint(ORIGIN, 20, GROWN.roots[20])
TREE = Tree(ORIGIN, 20, GROWN.roots[20])
SIGNED = sign_checkpoint(CHECKPOINT, LOG_KEY, LOG_PQ, now=NOW)
COSIGNERS = {
    "one": Cosigner("one.example", WitnessKey(b"\x11" * 32), None),
    "two": Cosigner("two.example", None, MlDsaKey(b"\x12" * 32)),
    "three": Cosigner("three.example", WitnessKey(b"\x13" * 32), None),
}
POLICY = parse_policy(
    "".join(
        [
            *(f"log {key.vkey}\n" for key in LOG_KEYS),
            *(f"witness {name} {cosigner.keys[0].vkey}\n" for name, cosigner in COSIGNERS.items()),
            "group some 2 one two three\nquorum some\n",
        ]
    ).encode()
)


def cosigned(*names: str, note: bytes = SIGNED, at: int = NOW) -> bytes:
    lines = [COSIGNERS[name].cosign(format_checkpoint(CHECKPOINT), TREE, now=at)[0] for name in names]
    return note + "".join(line.line for line in lines).encode()


def test_enough_witnesses() -> None:
    witnessed = verify_witnessed(cosigned("two", "one"), POLICY, origin=ORIGIN)
    assert witnessed.checkpoint == CHECKPOINT
    assert witnessed.times == {"one": NOW, "two": NOW}
    assert witnessed.missing == ("three",)
    assert witnessed.reached


def test_too_few_witnesses_are_told() -> None:
    for data in (SIGNED, cosigned("three")):
        witnessed = read_witnessed(data, POLICY)
        assert not witnessed.reached
        assert witnessed.checkpoint == CHECKPOINT
        with pytest.raises(NoQuorum):
            verify_witnessed(data, POLICY)


def test_a_witness_counts_once_and_signs_once() -> None:
    with pytest.raises(BadCheckpoint):
        read_witnessed(cosigned("one", "one"), POLICY)


def test_one_failing_witness_spoils_the_note() -> None:
    other = Cosigner("three.example", WitnessKey(b"\x13" * 32), None)
    elsewhere = other.cosign(format_checkpoint(CHECKPOINT).replace("20", "21"), TREE, now=NOW)[0]
    with pytest.raises(BadSignature):
        read_witnessed(cosigned("one", "two") + elsewhere.line.encode(), POLICY)


def test_unknown_witnesses_are_ignored() -> None:
    stranger = Cosigner("stranger.example", WitnessKey(b"\x19" * 32), None)
    [line] = stranger.cosign(format_checkpoint(CHECKPOINT), TREE, now=NOW)
    witnessed = read_witnessed(cosigned("one") + line.line.encode(), POLICY)
    assert list(witnessed.times) == ["one"]


def test_witnesses_alone_do_not_make_a_checkpoint() -> None:
    text = format_checkpoint(CHECKPOINT)
    note = f"{text}\n".encode()
    with pytest.raises(CheckpointUntrusted):
        read_witnessed(cosigned("one", "two", "three", note=note), POLICY)


def test_another_log_is_not_trusted() -> None:
    with pytest.raises(CheckpointUntrusted, match="another log"):
        read_witnessed(cosigned("one", "two"), POLICY, origin="log.example/other")
    only_other = Policy((KnownLog(LOG_KEYS[0]),), {"one": KnownWitness(COSIGNERS["one"].keys[0])}, {}, "one")
    assert read_witnessed(cosigned("one"), only_other).reached
    unknown = Policy((), only_other.witnesses, {}, "one")
    with pytest.raises(CheckpointUntrusted):
        read_witnessed(cosigned("one"), unknown)
