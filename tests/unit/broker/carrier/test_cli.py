"""The operator's import and export, as they look at a terminal, against a running hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from broker.cli import main
from broker.config import Config
from tests.support.carrying import AGENCY, HELLO, records_of, written
from tests.support.courier import Counter, station
from tests.support.directory import make_world
from tests.support.hub import TestClock, new_hub, running_hub

Call = Callable[..., Awaitable[Result]]
OTHER = "sg-cnb"


def said(shown: Result) -> list[str]:
    """The command's own lines: the hub runs in this process too, and its log is no part of them."""
    return [line for line in shown.stdout.splitlines() if "[info" not in line]


@pytest.fixture
async def call(tmp_path: Path) -> AsyncIterator[Call]:
    """Run a command on the data directory of a hub that runs, with a file from an agency beside it."""
    world, clock = make_world(carrier=True), TestClock()
    config: Config = new_hub(world, tmp_path, clock)
    async with running_hub(config, clock) as hub, station(AGENCY, world, tmp_path, clock) as node:
        await node.take(await Counter(hub.exchange, world).make(AGENCY))
        await node.send(OTHER)
        await node.send(OTHER, expires_hours=1)
        (tmp_path / "out").write_bytes(await node.export())
        clock.now += 3 * 3_600_000

        async def invoke(command: str, *words: object) -> Result:
            arguments = [command, str(config.data), *map(str, words)]
            return await asyncio.to_thread(CliRunner().invoke, main, arguments)

        yield invoke


async def test_an_import_says_what_came_and_where_the_answer_goes(call: Call, tmp_path: Path) -> None:
    shown = await call("import", tmp_path / "out", "--answer", tmp_path / "back")
    size = (tmp_path / "back").stat().st_size
    first, second, *rest = said(shown)
    assert first == f"From {AGENCY}: 1 alert accepted, 1 refused."
    assert second.startswith("  alert refused: ")
    assert second.endswith("(alert-expired)")
    assert rest == [
        f"For {AGENCY}: nothing waits; the file tells it so.",
        f"{tmp_path / 'back'}, {size:,} bytes.",
        f"Have it taken to {AGENCY}, who runs: bearing import back",
    ]


async def test_an_answer_that_would_replace_a_file_is_refused_before_anything_is_taken_in(
    call: Call, tmp_path: Path
) -> None:
    (tmp_path / "back").write_bytes(b"another")
    refused = await call("import", tmp_path / "out", "--answer", tmp_path / "back")
    assert refused.exit_code == 1
    assert "is there already" in refused.stderr
    assert "taken in" not in refused.output
    assert (tmp_path / "back").read_bytes() == b"another"
    assert (await call("import", tmp_path / "out", "--answer", tmp_path / "back", "--force")).exit_code == 0


async def test_an_answer_goes_into_a_folder_under_its_own_name(call: Call, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    assert (await call("import", tmp_path / "out", "--answer", tmp_path / "stick")).exit_code == 0
    (made,) = (tmp_path / "stick").iterdir()
    assert made.name.startswith(f"hub-to-{AGENCY}-")


async def test_an_export_says_what_is_in_it(call: Call, tmp_path: Path) -> None:
    assert (await call("import", tmp_path / "out", "--answer", tmp_path / "back")).exit_code == 0
    shown = await call("export", OTHER, tmp_path / "for-other")
    assert said(shown)[0] == f"For {OTHER}: 1 alert."
    assert (await call("export", AGENCY, tmp_path / "for-us")).exit_code == 0
    assert records_of((tmp_path / "for-us").read_bytes(), "hub")


async def test_a_file_without_submissions_is_told_as_such(call: Call, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(written("node", [], greeting=HELLO))
    shown = await call("import", tmp_path / "empty", "--answer", tmp_path / "back")
    assert said(shown)[0] == f"From {AGENCY}: no alerts and no receipts."


@pytest.mark.parametrize(
    ("name", "data", "expected", "exit_code"),
    [
        ("cut", b"crossbearing carrier 1\n", "carrier-damaged: the file was cut short", 4),
        ("photo", b"\xff\xd8\xff\xe0 a photograph", "carrier-unknown: the file does not begin", 4),
        ("inward", written("hub"), "carrier-misdirected: the file is sealed for somebody else", 4),
        (".", None, "is a folder", 4),
        ("none", None, "not-found: there is no ", 3),
    ],
)
async def test_what_cannot_be_taken_in_is_named(
    call: Call, tmp_path: Path, name: str, data: bytes | None, expected: str, exit_code: int
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    refused = await call("import", tmp_path / name, "--answer", tmp_path / "back")
    assert refused.exit_code == exit_code
    assert expected in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 2, "what is wrong, and what to do"
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("zz-nobody", "x"), "unknown-agency"),
        ((AGENCY, "x", "--since", "abc"), "'abc' is no position"),
        ((AGENCY, "x", "--since", "999"), "the log has 5 entries, not 999"),
    ],
)
async def test_an_export_that_cannot_be_made_is_named_and_leaves_nothing(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = await call("export", *words)
    assert refused.exit_code
    assert expected in refused.stderr
    assert not (tmp_path / "x").exists()
