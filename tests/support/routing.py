"""Random directories and questions, and the rules of docs/spec/routing.md applied to them without a single bit mask.

`plainly` is a second implementation, written from the page: sets, loops and no shortcuts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from schemas.directory.documents import Operation
from schemas.directory.state import Directory
from schemas.envelope.words import MARKINGS, MODES, PRECEDENCES, STATUSES, TOPICS
from schemas.routing.query import RoutingQuery
from schemas.routing.requests import StandingRequest
from schemas.routing.rules import EFFECTS, Condition, Rule, Target
from tests.support.directory import DAY_MS, NOW, World, make_world

AGENCIES = ("au-abf", "cn-customs", "fj-customs", "hk-customs", "jp-customs", "nz-customs", "sg-cnb")
REGION_NAMES = ("far-east", "oceania", "coast")
OPERATION_NAMES = ("marker", "open")
SUBJECT_TYPES = ("container", "person", "vessel")
TODAY = NOW - NOW % DAY_MS


@lru_cache
def base_world() -> World:
    """Seven agencies with keys, published once; random directories differ from it in what governors decide."""
    return make_world(AGENCIES, regions={name: [] for name in REGION_NAMES})


@dataclass(frozen=True)
class Setting:
    """A random directory: the facts `plainly` needs, from which `directory` makes the real thing."""

    members: Mapping[str, tuple[str, ...]]
    suspended: tuple[str, ...]
    participants: tuple[str, ...]
    rules: tuple[Rule, ...]
    requests: Mapping[str, tuple[StandingRequest, ...]]

    def directory(self) -> Directory:
        """The directory, as if governors and agencies had signed it."""
        base = base_world().directory
        document = base.require_document()
        agencies = {
            agency: replace(
                document.agencies[agency],
                regions=tuple(name for name in REGION_NAMES if agency in self.members[name]),
                status="suspended" if agency in self.suspended else "active",
            )
            for agency in AGENCIES
        }
        operations = {
            "marker": Operation("marker", "Marker", self.participants[0], TODAY, TODAY + DAY_MS, self.participants),
            "open": Operation("open", "Open", "sg-cnb", TODAY, TODAY + DAY_MS, None),
        }
        keys = {agency: replace(held, requests=self.requests.get(agency, ())) for agency, held in base.keys.items()}
        return replace(
            base,
            document=replace(document, agencies=agencies, operations=operations, rules=self.rules),
            keys=MappingProxyType(keys),
        )


def some(words: Sequence[str], most: int = 2) -> st.SearchStrategy[tuple[str, ...]]:
    """A few different words, mostly none."""
    return st.lists(st.sampled_from(tuple(words)), unique=True, max_size=most).map(tuple)


TARGETS = st.builds(
    Target,
    agencies=some(AGENCIES),
    regions=some(REGION_NAMES),
    sender_regions=st.booleans(),
    operation_host=st.booleans(),
    operation_participants=st.booleans(),
    everyone=st.booleans(),
).filter(lambda target: target != Target())
CONDITIONS = st.builds(
    Condition,
    topics=some(TOPICS[:2]),
    markings=some(MARKINGS),
    precedences=some(PRECEDENCES),
    operations=some(OPERATION_NAMES),
    modes=some(MODES[:3]),
    senders=some(AGENCIES),
    sender_regions=some(REGION_NAMES),
    recipient_regions=some(REGION_NAMES),
    statuses=some(STATUSES),
)
MOSTLY_ANY = st.one_of(st.just(Condition()), CONDITIONS)


@st.composite
def rule_sets(draw: st.DrawFn, effects: Sequence[str] = EFFECTS, most: int = 6) -> tuple[Rule, ...]:
    """Rules with ids of their own, in any order."""
    made = []
    for number in draw(st.permutations(range(draw(st.integers(0, most))))):
        effect: Any = draw(st.sampled_from(tuple(effects)))
        to = draw(TARGETS)
        ceiling = draw(st.sampled_from(MARKINGS)) if effect == "ceiling" else None
        hub = draw(st.sampled_from([a for a in AGENCIES if a not in to.agencies])) if effect == "via" else None
        made.append(Rule(f"rule-{number}", effect, draw(MOSTLY_ANY), to, ceiling, f"because of {number}", hub))
    return tuple(made)


REQUESTS = st.builds(
    StandingRequest,
    id=st.sampled_from(("ask-a", "ask-b", "ask-c")),
    topics=some(TOPICS[:2]),
    regions=some(REGION_NAMES),
    subjects=some(SUBJECT_TYPES),
    reason=st.just("we keep the register"),
).filter(lambda request: bool(request.topics or request.regions or request.subjects))
SETTINGS = st.builds(
    Setting,
    members=st.fixed_dictionaries({name: some(AGENCIES, 4) for name in REGION_NAMES}),
    suspended=some(AGENCIES, 1),
    participants=st.lists(st.sampled_from(AGENCIES), unique=True, min_size=2, max_size=5).map(tuple),
    rules=rule_sets(),
    requests=st.dictionaries(
        st.sampled_from(AGENCIES),
        st.lists(REQUESTS, max_size=3, unique_by=lambda request: request.id).map(tuple),
        max_size=4,
    ),
)
QUERIES = st.builds(
    RoutingQuery,
    sender=st.sampled_from(AGENCIES),
    address=st.lists(
        st.sampled_from((*AGENCIES, *(f"region:{name}" for name in REGION_NAMES), "operation:marker", "all")),
        unique=True,
        min_size=1,
        max_size=4,
    ).map(tuple),
    topic=st.sampled_from(TOPICS[:2]),
    marking=st.sampled_from(MARKINGS),
    precedence=st.sampled_from(PRECEDENCES),
    status=st.sampled_from(STATUSES),
    operation=st.sampled_from((None, None, *OPERATION_NAMES)),
    modes=some(MODES[:3]),
    at=st.just(NOW),
    subjects=some(SUBJECT_TYPES),
)


def plainly(setting: Setting, asked: RoutingQuery) -> set[str]:
    """Who receives the alert, by the page. The sender is active and takes part in the operation, if there is one."""
    everyone, sender = set(AGENCIES), asked.sender
    groups = {f"region:{name}": set(members) for name, members in setting.members.items()} | {"all": everyone}
    parts = {"marker": set(setting.participants), "open": everyone}
    hosts = {"marker": setting.participants[0], "open": "sg-cnb"}
    own_regions = {name for name, members in setting.members.items() if sender in members}
    named = {item for item in asked.address if item in everyone}
    joint = set(parts["marker"]) if "operation:marker" in asked.address else set()
    wide = {agency for item in asked.address for agency in groups.get(item, set())}
    addressed = (named | joint | wide) - {sender}

    def applies(rule: Rule) -> bool:
        when, to = rule.when, rule.to
        if (to.operation_host or to.operation_participants) and asked.operation is None:
            return False
        statuses = when.statuses or (("actual",) if rule.effect in {"add", "permit"} else STATUSES)
        reached = {name for name, members in setting.members.items() if addressed & set(members)}
        checks: list[tuple[tuple[str, ...], set[str | None]]] = [
            (when.topics, {asked.topic}),
            (when.markings, {asked.marking}),
            (when.precedences, {asked.precedence}),
            (when.operations, {asked.operation}),
            (when.modes, set(asked.modes)),
            (when.senders, {sender}),
            (when.sender_regions, set(own_regions)),
            (when.recipient_regions, set(reached)),
            (statuses, {asked.status}),
        ]
        return all(not wanted or set(wanted) & has for wanted, has in checks)

    def narrow(to: Target) -> set[str]:
        found = set(to.agencies)
        if asked.operation is not None:
            found |= {hosts[asked.operation]} if to.operation_host else set()
            found |= parts[asked.operation] if to.operation_participants else set()
        return found

    def broad(to: Target) -> set[str]:
        found = {agency for region in to.regions for agency in setting.members[region]}
        found |= {a for region in own_regions for a in setting.members[region]} if to.sender_regions else set()
        return found | (everyone if to.everyone else set())

    matching = [rule for rule in setting.rules if applies(rule)]
    for rule in matching:
        if rule.effect == "add":
            joint, wide = joint | narrow(rule.to), wide | broad(rule.to)
    permitted = {a for rule in matching if rule.effect == "permit" for a in narrow(rule.to) | broad(rule.to)}
    for agency in permitted:
        for request in setting.requests.get(agency, ()):
            topics, regions, subjects = request.topics, set(request.regions), set(request.subjects)
            if (
                (not topics or asked.topic in topics)
                and (not regions or regions & own_regions)
                and (not subjects or subjects & set(asked.subjects))
            ):
                wide = wide | {agency}

    def may(agency: str, *, near: bool) -> bool:
        """Whether nothing keeps an agency out; ``near`` if it was named, joint or stands in for somebody."""
        if agency == sender or agency in setting.suspended:
            return False
        if asked.operation is not None and agency not in parts[asked.operation]:
            return False
        if asked.marking == "red" and agency not in named:
            return False
        if asked.marking == "amber+strict" and not near:
            return False
        for rule in matching:
            inside = agency in narrow(rule.to) | broad(rule.to)
            if (rule.effect == "deny" and inside) or (rule.effect == "only" and not inside):
                return False
            above = rule.ceiling is not None and MARKINGS.index(asked.marking) > MARKINGS.index(rule.ceiling)
            if rule.effect == "ceiling" and inside and above:
                return False
        return True

    received: set[str] = set()
    waiting = {agency for agency in named | joint | wide if may(agency, near=agency in named | joint)}
    seen: set[str] = set()
    while waiting:
        agency = waiting.pop()
        seen.add(agency)
        hubs = {
            str(rule.hub)
            for rule in matching
            if rule.effect == "via" and rule.hub not in {sender, agency} and agency in narrow(rule.to) | broad(rule.to)
        }
        if not hubs:
            received.add(agency)
        waiting |= {hub for hub in hubs if hub not in seen and may(hub, near=True)}
    return received
