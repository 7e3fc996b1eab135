"""Outside witnesses: asked from where they stand, left alone while they are down, and heard when they object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from broker.hub import Hub
from broker.outside import OutsideWitnesses
from broker.witness_client import Answer, post
from nodes.witness.evidence import EvidenceFolder
from nodes.witness.server import WitnessServer
from nodes.witness.state import WitnessState
from nodes.witness.witness import Cosigned, Witness
from schemas.directory.witnesses import OutsideWitness, Witnesses
from schemas.errors import CrossbearingError, Unreachable
from schemas.keys import WitnessKey
from schemas.log.cosignature import Cosigner
from schemas.log.witness import Refused, Status, format_answer, format_size, parse_request
from tests.support.directory import NOW, make_world
from tests.support.hub import new_hub, running_hub
from tests.support.wait import until_async

COSIGNER = Cosigner("witness.example/w1", WitnessKey(b"\x03" * 32), None)
URL = "http://127.0.0.1:9/w1"
WORLD = make_world(witnesses=Witnesses(1, (OutsideWitness("w1", COSIGNER.keys[0].vkey, URL),)))


class FakeWitness:
    """A real witness behind a port that can be made to fail."""

    def __init__(self, folder: Path) -> None:
        state = WitnessState(folder / "state", COSIGNER.keys)
        logs = {WORLD.origin: WORLD.directory.log_keys()}
        self.witness = Witness(COSIGNER, logs, state, EvidenceFolder(folder / "evidence"), lambda: NOW)
        self.asked: list[int] = []
        self.answer: Callable[[], Answer] | None = None

    async def post(self, url: str, body: bytes) -> Answer:
        assert url == f"{URL}/add-checkpoint"
        request = parse_request(body)
        self.asked.append(request.old)
        if self.answer is not None:
            return self.answer()
        match self.witness.add_checkpoint(request):
            case Cosigned(lines):
                return Answer(200, format_answer(lines))
            case Refused(status, _, held, _):
                return Answer(status, format_size(held) if held is not None else b"")


@asynccontextmanager
async def hub_of(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running_hub(new_hub(WORLD, tmp_path)) as hub:
        yield hub


@asynccontextmanager
async def asking(hub: Hub, witness: FakeWitness) -> AsyncIterator[None]:
    task = asyncio.create_task(OutsideWitnesses(hub.exchange, witness.post, interval=0.01).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def refusals(hub: Hub, code: str) -> float:
    return (
        hub.exchange.metrics.registry.get_sample_value("crossbearing_cosignatures_refused_total", {"code": code}) or 0.0
    )


def cases(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "hub" / "evidence"
    return [case for case in folder.glob("witness-w1-*") if (case / "answer").exists()]


async def test_a_witness_completes_the_quorum(tmp_path: Path) -> None:
    witness = FakeWitness(tmp_path)
    async with hub_of(tmp_path) as hub, asking(hub, witness):
        await until_async(lambda: hub.exchange.witnessing.reached is not None)
        assert hub.publication.witnessed() is not None
        assert witness.asked == [0]


async def test_a_witness_that_stands_elsewhere_is_asked_from_there(tmp_path: Path) -> None:
    witness = FakeWitness(tmp_path)
    async with hub_of(tmp_path) as hub:
        async with asking(hub, witness):
            await until_async(lambda: hub.exchange.witnessing.reached is not None)
        again = OutsideWitnesses(hub.exchange, witness.post, interval=0.01)  # a hub that has just started knows nothing
        task = asyncio.create_task(again.run())
        await until_async(lambda: len(witness.asked) >= 3)
        assert witness.asked[:3] == [0, 0, hub.exchange.head.size]
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize("status", [400, 403, 404, 500, 301])
async def test_a_witness_that_does_not_know_us_is_no_alarm(tmp_path: Path, status: int) -> None:
    witness = FakeWitness(tmp_path)
    witness.answer = lambda: Answer(status, b"no")
    async with hub_of(tmp_path) as hub, asking(hub, witness):
        await until_async(lambda: refusals(hub, "cosignature-refused") >= 2)
        assert cases(tmp_path) == []


async def test_a_witness_that_is_down_is_asked_again_later_each_time(tmp_path: Path) -> None:
    witness = FakeWitness(tmp_path)

    def down() -> Answer:
        raise Unreachable("down")

    witness.answer = down
    async with hub_of(tmp_path) as hub, asking(hub, witness):
        await until_async(lambda: refusals(hub, "unreachable") >= 2)
        witness.answer = None
        await until_async(lambda: hub.exchange.witnessing.reached is not None)


@pytest.mark.parametrize(
    "answer",
    [Answer(Status.INCONSISTENT, b""), Answer(Status.CONFLICT, b""), Answer(Status.CONFLICT, b"9000000\n")],
    ids=["inconsistent", "equal size, other root", "a larger tree"],
)
async def test_a_witness_with_another_history_is_an_alarm_with_evidence(tmp_path: Path, answer: Answer) -> None:
    witness = FakeWitness(tmp_path)
    witness.answer = lambda: answer
    async with hub_of(tmp_path) as hub, asking(hub, witness):
        await until_async(lambda: cases(tmp_path))
        (case,) = cases(tmp_path)
        assert parse_request((case / "request").read_bytes()).old == 0
        assert (case / "answer").read_bytes().startswith(str(int(answer.status)).encode())
        assert (case / "head.checkpoint").read_bytes() == hub.exchange.head.note
        assert hub.exchange.metrics.registry.get_sample_value("crossbearing_witness_conflicts_total") == 1
        assert hub.exchange.ready, "deliveries go on: the operator decides"


@pytest.mark.parametrize("body", [b"", b"junk", b"\xff"])
async def test_an_answer_that_is_no_cosignature_does_not_count(tmp_path: Path, body: bytes) -> None:
    witness = FakeWitness(tmp_path)
    witness.answer = lambda: Answer(200, body)
    async with hub_of(tmp_path) as hub, asking(hub, witness):
        await until_async(lambda: refusals(hub, "bad-checkpoint") >= 1)
        assert hub.exchange.witnessing.reached is None


async def test_the_port_speaks_to_a_real_witness(tmp_path: Path) -> None:
    server = WitnessServer(FakeWitness(tmp_path).witness, "127.0.0.1", 0)
    address = await server.start()
    try:
        answer = await post(f"http://{address}/add-checkpoint", b"old 0\n")
        assert answer.status == 400
    finally:
        await server.close()
    with pytest.raises(CrossbearingError):
        await post(f"http://{address}/add-checkpoint", b"old 0\n")
