"""What a seed means: how large the world is, what its officers do, and what goes wrong when. Data only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from random import Random

from tests.simulation.chance import stream

AGENCIES = ("au-abf", "hk-customs", "jp-customs", "my-customs", "nz-customs", "sg-cnb", "th-narcotics")
ROGUE = "vn-rogue"
"""The agency that does not keep to the rules, where there is one."""

KINDS: dict[str, str] = {
    "delay": "a line becomes slow for a while",
    "stall": "nothing gets through a line for a while, and then everything",
    "cut": "a connection breaks",
    "half-open": "a connection breaks, and one side does not notice",
    "dark": "a connection goes silent, and neither side notices",
    "down": "an agency cannot reach the hub for a while",
    "slow": "a node takes a second or more for each message",
    "kill-node": "a node's process is killed",
    "kill-hub": "the hub's process is killed",
    "power-node": "a node's machine loses power",
    "power-hub": "the hub's machine loses power",
    "strike-node": "a node's disk fails, or the node dies, at one operation",
    "strike-hub": "the hub's disk fails, or the hub dies, at one operation",
    "full-node": "a node's disk is full for a while",
    "full-hub": "the hub's disk is full for a while",
    "slow-disk": "a disk becomes slow for a while",
    "restart-node": "a node is stopped in good order and starts again",
    "restart-hub": "the hub is stopped in good order and starts again",
    "clock-node": "a node's clock jumps, and is put right after a while",
    "clock-hub": "the hub's clock jumps, and is put right after a while",
    "suspend": "an agency is suspended, and reinstated after a while",
    "rotate": "an agency changes its signing or sealing key",
    "rules": "the governors change regions or rules",
    "flood": "an agency sends dozens of routine alerts at once",
    "away": "an agency cannot reach the hub for hours, in which alerts expire",
    "rogue": "an agency's node replays, forges, re-signs what it stole, and sends junk",
}

TREASONS = ("fork", "rollback")
"""What a treacherous operator does: two histories for two halves of the agencies, or an earlier day's log."""
WITH_TREASON = frozenset(
    {
        "delay",
        "stall",
        "cut",
        "half-open",
        "dark",
        "slow",
        "kill-node",
        "power-node",
        "restart-node",
        "flood",
        "slow-disk",
    }
)
"""Troubles that a treacherous hub may come together with; the others would only keep it from its treason."""

OFFICE: tuple[tuple[str, int], ...] = (
    ("send", 40),
    ("ack", 20),
    ("reply", 8),
    ("follow-up", 6),
    ("correct", 6),
    ("recall", 8),
    ("file", 4),
    ("again", 4),
)
"""What officers do, and how often of a hundred."""


@dataclass(frozen=True)
class Act:
    """Something an officer does at a time (s)."""

    at: float
    agency: str
    kind: str
    number: int


@dataclass(frozen=True)
class Trouble:
    """Something that goes wrong at a time (s), for how long, and with which of whatever there is to choose from."""

    at: float
    kind: str
    agency: str
    seconds: float
    chance: int

    def random(self) -> Random:
        """The numbers for the details."""
        return Random(self.chance)


@dataclass(frozen=True)
class Plan:
    """Everything a seed decides before the first step."""

    seed: int
    agencies: tuple[str, ...]
    witnessed: bool
    rogue: bool
    length: float
    acts: tuple[Act, ...]
    troubles: tuple[Trouble, ...]
    kinds: tuple[str, ...]
    treason: str = ""
    settings: dict[str, int] = field(default_factory=dict)

    @property
    def away(self) -> bool:
        """Whether alerts may expire."""
        return any(trouble.kind == "away" for trouble in self.troubles)

    @property
    def honest(self) -> tuple[str, ...]:
        """The agencies that keep to the rules."""
        return tuple(agency for agency in self.agencies if agency != ROGUE)


def make_plan(seed: int, *, without: Collection[str] = (), only: Collection[str] = ()) -> Plan:
    """The plan of a seed, without troubles of the kinds `without`, or with those of `only` alone if any are named."""
    random = stream(seed, "plan")
    agencies = tuple(sorted(random.sample(AGENCIES, random.choice((2, 3, 3, 3, 4, 4, 5, 6)))))
    length = random.choice((30.0, 60.0, 120.0, 300.0, 900.0))
    kinds = [kind for kind in KINDS if random.random() < (0.04 if kind == "away" else random.choice((0.15, 0.4)))]
    rogue = "rogue" in kinds
    everyone = tuple(sorted((*agencies, ROGUE))) if rogue else agencies
    acts = _acts(stream(seed, "acts"), agencies, length)
    troubles = _troubles(stream(seed, "troubles"), kinds, agencies, length)
    kept = [t for t in troubles if t.kind not in without and (not only or t.kind in only)]
    settings = {
        "block_entries": random.choice((1, 3, 512)),
        "receipts_per_minute": random.choice((30, 6_000, 6_000)),
        "purge_seconds": random.choice((5, 60)),
    }
    treason = random.choice(TREASONS) if random.random() < 0.06 and not rogue and not only else ""
    if treason:
        kept = [trouble for trouble in kept if trouble.kind in WITH_TREASON]
    witnessed = random.random() < 0.25
    return Plan(seed, everyone, witnessed, rogue, length, acts, tuple(kept), tuple(kinds), treason, settings)


def _acts(random: Random, agencies: tuple[str, ...], length: float) -> tuple[Act, ...]:
    names, weights = zip(*OFFICE, strict=True)
    count = random.choice((3, 6, 10, 20, 40))
    acts = [
        Act(random.uniform(0, length), random.choice(agencies), random.choices(names, weights)[0], number)
        for number in range(1, count + 1)
    ]
    return tuple(sorted(acts, key=lambda act: act.at))


def _troubles(random: Random, kinds: list[str], agencies: tuple[str, ...], length: float) -> tuple[Trouble, ...]:
    if not kinds:
        return ()
    count = random.choice((1, 3, 6, 10, 20))
    troubles = [
        Trouble(
            at=random.uniform(0, length),
            kind=random.choice(kinds),
            agency=random.choice(agencies),
            seconds=min(random.expovariate(1 / random.choice((2.0, 15.0, 60.0))), 400.0),
            chance=random.getrandbits(32),
        )
        for _ in range(count)
    ]
    return tuple(sorted(troubles, key=lambda trouble: trouble.at))
