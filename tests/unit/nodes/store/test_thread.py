from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from nodes.store.database import Failed
from nodes.store.thread import OwnThread


@pytest.fixture
def thread() -> Iterator[OwnThread]:
    made = OwnThread("under-test")
    yield made
    made.end()


async def result(thread: OwnThread, work: Any) -> Any:
    future = asyncio.get_running_loop().create_future()
    thread.run(work, future.set_result)
    return await future


async def test_work_is_done_in_order_and_off_the_loop(thread: OwnThread) -> None:
    seen: list[tuple[int, threading.Thread]] = []
    told: list[int] = []
    for number in range(50):
        thread.run(partial(lambda n: seen.append((n, threading.current_thread())), number), lambda _: told.append(1))
    await result(thread, lambda: None)
    assert [number for number, _ in seen] == list(range(50))
    assert {place for _, place in seen} != {threading.current_thread()}
    assert len(told) == 50


@pytest.mark.parametrize("kind", [ValueError, SystemExit])
async def test_what_work_raises_is_handed_over_and_the_thread_goes_on(
    thread: OwnThread, kind: type[BaseException]
) -> None:
    def bad() -> None:
        raise kind("on purpose")

    outcome = await result(thread, bad)
    assert isinstance(outcome, Failed)
    assert type(outcome.error) is kind
    assert await result(thread, lambda: 7) == 7


async def test_who_is_told_has_the_context_in_which_work_was_given_in(thread: OwnThread) -> None:
    word = contextvars.ContextVar("word", default="none")
    word.set("mine")
    future = asyncio.get_running_loop().create_future()
    thread.run(word.get, lambda there: future.set_result((there, word.get())))
    assert await future == ("none", "mine")


def test_with_a_closed_loop_nobody_is_told_and_the_thread_goes_on(thread: OwnThread) -> None:
    go, told = threading.Event(), list[object]()

    async def give_in() -> None:
        thread.run(go.wait, told.append)

    asyncio.run(give_in())
    go.set()
    assert asyncio.run(result(thread, lambda: 7)) == 7
    assert told == []


async def test_the_end_waits_for_what_was_given_in(thread: OwnThread) -> None:
    done: list[int] = []
    for number in range(20):
        thread.run(partial(done.append, number), lambda _: None)
    thread.end()
    assert done == list(range(20))
    thread.end()


async def test_a_thread_that_nobody_holds_ends() -> None:
    thread = OwnThread("forgotten")
    running = next(one for one in threading.enumerate() if one.name == "forgotten")
    gone = weakref.ref(thread)
    await result(thread, lambda: None)
    del thread
    gc.collect()
    assert gone() is None
    assert not running.is_alive()


def test_the_last_reference_may_go_in_the_thread_itself() -> None:
    left: list[OwnThread] = [OwnThread("forgotten")]
    running = next(one for one in threading.enumerate() if one.name == "forgotten")

    async def forget() -> None:
        await result(left[-1], left.clear)

    asyncio.run(forget())
    running.join(10)
    assert not running.is_alive()


def test_the_interpreter_ends_when_work_is_done() -> None:
    program = """
import asyncio, time
from nodes.store.thread import OwnThread
thread = OwnThread("open")
def work():
    time.sleep(0.2)
    print("done", flush=True)
async def main():
    thread.run(work, lambda _: None)
asyncio.run(main())
raise SystemExit(3)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "done\n", "")
