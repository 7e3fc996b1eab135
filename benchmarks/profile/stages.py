"""Which stage of a delivery a function belongs to: one table, read from the innermost frame of a stack outwards.

The first frame that a pattern fits decides. What is used by many, such as the codec or the standard library, stands in
no pattern, so that its time goes to whoever called it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

REST: Final = "unexplained"

STAGES: Final[Sequence[tuple[str, str]]] = (
    (
        "waiting",
        r"_worker \(concurrent/futures/thread\.py|_work \(nodes/store/thread\.py|wait \(threading\.py|get \(queue\.py",
    ),
    ("signatures", r"\(nacl/|(sign|verify|verify_ml_dsa|verify_header|sign_header) \(schemas/"),
    (
        "TLS, WebSocket",
        r"\(ssl\.py|\(aiohttp/_websocket|\(aiohttp/(web|client)_ws\.py|\((broker|nodes)/(websocket|link)\.py",
    ),
    ("session frames", r"\(schemas/session/"),
    (
        "checkpoint and proof",
        r"\(schemas/log/(merkle|checkpoint|note|proof|tiles|witness|cosignature|policy|witnessed)",
    ),
    ("witnessing", r"\((broker|nodes)/(witness|cosign|outside|standing)"),
    ("receipts", r"\(schemas/log/receipt\.py|\(nodes/receipt|\(nodes/(notices|verdicts)\.py|\(broker/acknowledgement"),
    ("header and entry", r"\(schemas/envelope/(header|header_wire|peek|words)\.py|\(schemas/log/entry\.py"),
    ("opening and sealing", r"\(schemas/envelope/|\(schemas/keys\.py|\(nodes/(sealing|openers)\.py|\(cryptography/"),
    ("alert document", r"\(schemas/alert/|\(pydantic"),
    ("routing and directory", r"\(schemas/(routing|directory)/|\(tuf/|\(broker/(parties|roster)"),
    (
        "thread hand-over",
        r"\(concurrent/|\(threading\.py|\(nodes/store/thread\.py|\(asyncio/(futures|threads|locks|queues)\.py",
    ),
    ("commit and fsync", r"(write_all|_transaction|_roll_back|swap|commit) \((nodes/store|broker/engines)/"),
    ("store statements", r"\((nodes/store|broker/engines)/"),
    (
        "local API",
        r"\(nodes/(api|front|answers|local_socket|views|waiting|events)\.py|\(nodes/service/|\(aiohttp/|\(json/",
    ),
    ("admission", r"\(broker/(admission|quota|gate|sessions|publication)\.py"),
    ("blocks", r"\(broker/(apply|sequencer|committer|tree|state|draft|exchange|lane|durable|backlog)\.py"),
    ("delivery", r"\(broker/(outgoing|shipping|delivery|parcel|handover)\.py"),
    ("taking in, dispatch", r"\(nodes/(receive|taking|inbound|dispatch|session|exchange|resubmission)\.py"),
    ("rest of hub and node", r"\((broker|nodes)/|\(schemas/(?!codec|ids|limits|errors)"),
    ("event loop, socket calls", r"\(asyncio/|\(uvloop/|\(prometheus_client|\(structlog"),
)
"""Stage and pattern, most telling first; a frame is written `function (file:line)`."""

_PATTERNS: Final = [(stage, re.compile(pattern)) for stage, pattern in STAGES]
WAITING: Final = STAGES[0][0]


def stage_of(frames: Sequence[str]) -> str:
    """The stage of a stack, outermost frame first. `WAITING` only when the innermost frame waits."""
    for depth, frame in enumerate(reversed(frames)):
        for stage, pattern in _PATTERNS:
            if pattern.search(frame):
                if stage != WAITING:
                    return stage
                if depth == 0:
                    return WAITING
    return REST


@dataclass(slots=True)
class Samples:
    """How often each stage was seen, in the main thread and in all others."""

    main: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)


def read_samples(lines: Iterable[str]) -> Samples:
    """From py-spy's raw form: frames with semicolons between them, a space, and how often that stack was seen."""
    samples = Samples()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        threads = samples.others if "_bootstrap (threading.py" in frames[0] else samples.main
        threads[stage_of(frames)] += int(count)
    return samples


def share_out(samples: Samples, main: float, others: float) -> dict[str, float]:
    """Processor time by stage: what the main thread used, and the others, each by its own samples.

    Threads that wait are seen too when they are about to run; that tells nothing of what they run, so it is left out.
    """
    shares: Counter[str] = Counter()
    for seen, spent in ((samples.main, main), (samples.others, others)):
        counted = {stage: count for stage, count in seen.items() if stage != WAITING}
        total = sum(counted.values())
        if not total:
            shares[REST] += spent  # type: ignore[assignment]  # a counter of floats
            continue
        for stage, count in counted.items():
            shares[stage] += spent * count / total  # type: ignore[assignment]
    return dict(shares)
