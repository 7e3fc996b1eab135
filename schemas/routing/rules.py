"""The governors' routing rules, as they stand in the directory.

A rule says *when* it applies and *to* whom, and has one of six effects. Two widen:

    add      the agencies of ``to`` receive the alert too
    permit   the agencies of ``to`` receive it too if a standing request of theirs asks for it

and four restrict, and win over whatever widens:

    deny     the agencies of ``to`` never receive it
    only     nobody outside ``to`` receives it
    ceiling  the agencies of ``to`` receive it up to the marking ``ceiling``
    via      the agencies of ``to`` never receive it; ``hub`` receives it for those of them who otherwise would

All conditions of ``when`` must hold; within one condition any value suffices; an empty condition always holds, except
that a widening rule without ``statuses`` is about actual alerts only, so that exercises stay apart. The targets of
``to`` are united. The order of rules is without meaning. A rule whose target depends on the operation does not apply
to an alert without one, and a hub sends past its own ``via`` rules.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Final, Literal, cast, get_args

from schemas.codec import Fields, Value
from schemas.envelope.words import MARKINGS, MODES, PRECEDENCES, STATUSES, TOPICS
from schemas.errors import Malformed
from schemas.ids import check_agency_id, check_slug

Effect = Literal["add", "permit", "deny", "only", "ceiling", "via"]

EFFECTS: Final[tuple[str, ...]] = get_args(Effect)
WIDENING: Final = frozenset({"add", "permit"})
"""The effects that give an alert more recipients."""
ACTUAL: Final = "actual"
"""The only status that a widening rule is about unless it names others."""
MAX_REASON: Final = 200
"""Characters of a rule's reason: one line on an officer's screen."""


@dataclass(frozen=True, slots=True)
class Condition:
    """When a rule applies. Every field is a set of accepted values; an empty one accepts all."""

    topics: tuple[str, ...] = ()
    markings: tuple[str, ...] = ()
    precedences: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    sender_regions: tuple[str, ...] = ()
    recipient_regions: tuple[str, ...] = ()
    """A member other than the sender is addressed, by whatever address; what rules add does not count."""
    statuses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a rule concerns: the union of all that is named or switched on."""

    agencies: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    sender_regions: bool = False
    """The agencies of every region the sender belongs to."""
    operation_host: bool = False
    """The host of the alert's operation."""
    operation_participants: bool = False
    """All who take part in the alert's operation."""
    everyone: bool = False

    @property
    def needs_operation(self) -> bool:
        """Whether the target means nothing for an alert outside an operation."""
        return self.operation_host or self.operation_participants


@dataclass(frozen=True, slots=True)
class Rule:
    """One routing rule; ``reason`` is shown to officers wherever the rule decided."""

    id: str
    effect: Effect
    when: Condition
    to: Target
    ceiling: str | None
    reason: str
    hub: str | None = None

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses the rule is about; empty means all."""
        return self.when.statuses or ((ACTUAL,) if self.effect in WIDENING else ())


_CONDITION_WORDS: Final = {
    "topics": TOPICS,
    "markings": MARKINGS,
    "precedences": PRECEDENCES,
    "modes": MODES,
    "statuses": STATUSES,
}
_FLAGS: Final = ("sender_regions", "operation_host", "operation_participants", "everyone")


def parse_rule(value: Value) -> Rule:
    """Read a rule from its JSON form, in which what is empty may be absent.

    Names of agencies, regions and operations are checked for form here, for existence by the directory.
    Raises `Malformed` or `BadId` naming the field.
    """
    if not isinstance(value, dict):
        raise Malformed("a rule is not an object")
    rule = Fields({"when": {}, "ceiling": None, "hub": None, **value}, "rule")
    rule_id = check_slug(rule.text("id"))
    effect = rule.text("effect")
    if effect not in EFFECTS:
        raise Malformed(f"rule {rule_id}: effect is none of {', '.join(EFFECTS)}")
    condition = _condition(rule.map("when"), rule_id)
    target = _target(rule.map("to"), rule_id)
    ceiling = rule.optional_text("ceiling")
    hub = rule.optional_text("hub")
    reason = rule.text("reason")
    rule.done()
    if (ceiling in MARKINGS) is not (effect == "ceiling") or (ceiling is not None and effect != "ceiling"):
        raise Malformed(f"rule {rule_id}: a ceiling rule names a marking as its ceiling, and no other rule does")
    if (hub is not None) is not (effect == "via"):
        raise Malformed(f"rule {rule_id}: a via rule names its hub, and no other rule does")
    if hub is not None and check_agency_id(hub) in target.agencies:
        raise Malformed(f"rule {rule_id}: the hub {hub} is reached through itself")
    check_reason(reason, f"rule {rule_id}")
    return Rule(rule_id, cast(Effect, effect), condition, target, ceiling, reason, hub)


def rule_to_json(rule: Rule) -> dict[str, Value]:
    """The JSON form of a rule, without what is empty."""
    shown: dict[str, Value] = {
        "id": rule.id,
        "effect": rule.effect,
        "when": {name: list(values) for name, values in asdict(rule.when).items() if values},
        "to": {name: v if isinstance(v, bool) else list(v) for name, v in asdict(rule.to).items() if v},
        "reason": rule.reason,
    }
    if rule.ceiling is not None:
        shown["ceiling"] = rule.ceiling
    if rule.hub is not None:
        shown["hub"] = rule.hub
    return shown


def check_reason(text: str, what: str) -> None:
    """Refuse a reason that is not one line for an officer's screen. Raises `Malformed`."""
    if not text or len(text) > MAX_REASON or not text.isprintable():
        raise Malformed(f"{what}: reason is one printable line of 1 to {MAX_REASON} characters")


def check_words(values: tuple[str, ...], words: tuple[str, ...], what: str) -> None:
    """Refuse a value that is none of the words. Raises `Malformed`."""
    for value in values:
        if value not in words:
            raise Malformed(f"{what}: {value[:40]!a} is none of {', '.join(words)}")


def distinct(values: tuple[str, ...], what: str) -> tuple[str, ...]:
    """The values, if each is there once. Raises `Malformed`."""
    if len(set(values)) != len(values):
        raise Malformed(f"{what}: names something twice")
    return values


def _condition(value: dict[str, Value], rule_id: str) -> Condition:
    what = f"rule {rule_id}: when"
    names = [field.name for field in fields(Condition)]
    defaults: dict[str, Value] = {name: [] for name in names}
    reader = Fields({**defaults, **value}, what)
    found = {name: distinct(tuple(reader.texts(name)), f"{what}.{name}") for name in names}
    reader.done()
    for name, words in _CONDITION_WORDS.items():
        check_words(found[name], words, f"{what}.{name}")
    for name in ("operations", "sender_regions", "recipient_regions"):
        for slug in found[name]:
            check_slug(slug)
    for sender in found["senders"]:
        check_agency_id(sender)
    return Condition(**found)


def _target(value: dict[str, Value], rule_id: str) -> Target:
    what = f"rule {rule_id}: to"
    reader = Fields({"agencies": [], "regions": [], **dict.fromkeys(_FLAGS, False), **value}, what)
    agencies = distinct(tuple(check_agency_id(agency) for agency in reader.texts("agencies")), f"{what}.agencies")
    regions = distinct(tuple(check_slug(region) for region in reader.texts("regions")), f"{what}.regions")
    flags = {name: reader.flag(name) for name in _FLAGS}
    reader.done()
    if not agencies and not regions and not any(flags.values()):
        raise Malformed(f"{what}: names nobody")
    return Target(agencies, regions, **flags)
