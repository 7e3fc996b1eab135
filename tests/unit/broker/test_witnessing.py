"""Rounds of cosigning: what counts, what does not, and when it is enough."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broker.committer import Head
from broker.witnessing import Witnessing
from schemas.directory.witness_policy import policy_of, witness_keys, witness_name
from schemas.directory.witnesses import Witnesses
from schemas.errors import BadSignature, CheckpointUntrusted
from schemas.example import example_seed
from schemas.keys import MlDsaKey, WitnessKey
from schemas.limits import WITNESS_ROUNDS
from schemas.log.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from schemas.log.cosignature import Cosigner, Tree, sign_tree
from schemas.log.note import parse_note
from schemas.log.witness import format_answer
from schemas.log.witnessed import read_witnessed
from tests.support.directory import NOW, ORIGIN, World, make_world

MEMBERS = ("au-abf", "hk-customs", "jp-customs", "sg-cnb")


class Scene:
    def __init__(self, world: World) -> None:
        self.world = world
        self.reached: list[int] = []
        self.witnessing = Witnessing(lambda: world.directory, self._changed)

    def _changed(self) -> None:
        assert self.witnessing.reached is not None
        self.reached.append(self.witnessing.reached.size)

    def head(self, size: int) -> Head:
        checkpoint = Checkpoint(ORIGIN, size, bytes([size]) * 32)
        return Head(sign_checkpoint(checkpoint, self.world.log_key), checkpoint, 1)

    def lines(self, agency: str, size: int, *, both: bool = False) -> bytes:
        checkpoint = self.head(size).checkpoint
        ed25519, ml_dsa = WitnessKey(example_seed(agency, "witness")), MlDsaKey(example_seed(agency, "witness-pq"))
        cosigner = Cosigner(witness_name(ORIGIN, agency), ed25519, ml_dsa if both else None)
        tree = Tree(ORIGIN, size, checkpoint.root)
        return format_answer(cosigner.cosign(format_checkpoint(checkpoint), tree, now=NOW))


@pytest.fixture
def scene() -> Scene:
    return Scene(make_world(MEMBERS, witnesses=Witnesses()))


def test_a_quorum_is_reached_by_enough_agencies_each_counted_once(scene: Scene) -> None:
    round_ = scene.witnessing.begin(scene.head(7), both=True)
    assert scene.witnessing.quorum() == 3
    scene.witnessing.take("au-abf", 7, scene.lines("au-abf", 7, both=True))
    scene.witnessing.take("hk-customs", 7, scene.lines("hk-customs", 7))
    scene.witnessing.take("hk-customs", 7, scene.lines("hk-customs", 7))
    assert scene.reached == []
    assert scene.witnessing.cosigners(round_) == ("au-abf", "hk-customs")
    assert scene.witnessing.missing(round_) == ("jp-customs", "sg-cnb")
    scene.witnessing.take("sg-cnb", 7, scene.lines("sg-cnb", 7))
    scene.witnessing.take("jp-customs", 7, scene.lines("jp-customs", 7))
    assert scene.reached == [7]
    assert scene.witnessing.missing(round_) == ()


def test_the_note_gathers_every_line_in_one_order(scene: Scene) -> None:
    round_ = scene.witnessing.begin(scene.head(7), both=False)
    pq = MlDsaKey(example_seed("broker", "log-mldsa"))
    round_.sign(sign_tree(Tree(ORIGIN, 7, round_.head.checkpoint.root), ORIGIN, pq, now=NOW))
    for agency in reversed(MEMBERS):
        scene.witnessing.take(agency, 7, scene.lines(agency, 7, both=agency == "sg-cnb"))
    names = [line.name for line in parse_note(round_.note).signatures]
    members = [witness_name(ORIGIN, agency) for agency in MEMBERS]
    assert names == [ORIGIN, ORIGIN, *members, members[-1]]
    shown = read_witnessed(round_.note, policy_of(scene.world.directory), origin=ORIGIN)
    assert shown.reached
    assert len(parse_note(round_.signed).signatures) == 2


def test_what_comes_late_counts_and_what_comes_too_late_does_not(scene: Scene) -> None:
    for size in range(1, WITNESS_ROUNDS + 2):
        scene.witnessing.begin(scene.head(size), both=False)
    for agency in MEMBERS:
        scene.witnessing.take(agency, 1, scene.lines(agency, 1))
        scene.witnessing.take(agency, 2, scene.lines(agency, 2))
    assert scene.reached == [2]


def test_an_older_quorum_does_not_replace_a_newer(scene: Scene) -> None:
    for size in (1, 2):
        scene.witnessing.begin(scene.head(size), both=False)
    for size in (2, 1):
        for agency in MEMBERS:
            scene.witnessing.take(agency, size, scene.lines(agency, size))
    assert scene.reached == [2]
    scene.witnessing.show()
    assert scene.witnessing.shown is not None
    assert scene.witnessing.shown[0] == 2


def test_another_agencys_lines_do_not_count(scene: Scene) -> None:
    scene.witnessing.begin(scene.head(7), both=False)
    with pytest.raises(CheckpointUntrusted):
        scene.witnessing.take("au-abf", 7, scene.lines("sg-cnb", 7))


def test_lines_on_another_checkpoint_do_not_count(scene: Scene) -> None:
    scene.witnessing.begin(scene.head(7), both=False)
    with pytest.raises(BadSignature):
        scene.witnessing.take("au-abf", 7, scene.lines("au-abf", 8))


def test_an_agency_without_witness_keys_is_no_witness(scene: Scene) -> None:
    scene.world.keys["au-abf"] = replace(scene.world.keys["au-abf"], witness=())
    scene.world.publish("au-abf")
    scene.witnessing.begin(scene.head(7), both=False)
    with pytest.raises(CheckpointUntrusted):
        scene.witnessing.take("au-abf", 7, scene.lines("au-abf", 7))
    assert witness_keys(scene.world.directory, "au-abf") == ()


def test_a_directory_without_witnesses_asks_for_none() -> None:
    scene = Scene(make_world(MEMBERS))
    assert scene.witnessing.quorum() == 0
    assert scene.witnessing.cosigners(None) == ()
