"""From an officer's document to an alert that may go out: checked, addressed, resolved. Nothing is stored here.

A document is refused here and now, with all its problems at once, rather than later by the hub. Who will receive it is
decided again when it is sealed; what is resolved here, under the directory held, is what the officer is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nodes.ports import Clock
from nodes.standing import Standing
from schemas.alert.document import Alert, Problem, check_document, draft_alert, encode_alert
from schemas.errors import BadDocument, BodyTooLarge, CrossbearingError, Malformed, Refusal
from schemas.limits import MAX_BODY, MAX_DOCUMENT
from schemas.routing.address import normalise
from schemas.routing.plan import plan_of
from schemas.routing.resolve import Resolution, RoutingQuery, query_of_alert, resolve, weigh

if TYPE_CHECKING:
    from schemas.directory.state import Directory

__all__ = ["Composed", "Composer", "resolution_view"]

PADDING = 8
"""Padmé adds at most an eighth (and for such sizes far less): what passes here also passes when it is sealed."""


@dataclass(frozen=True, slots=True)
class Composed:
    """An alert that may go out, its wire map encoded, who receives it as things stand, what is worth a second look."""

    alert: Alert
    document: bytes
    resolution: Resolution
    directory: int
    warnings: tuple[Problem, ...]


class Composer:
    """Composes alerts of one agency under the newest directory it holds."""

    def __init__(self, standing: Standing, clock: Clock) -> None:
        self._standing = standing
        self._clock = clock

    def compose(
        self,
        document: Mapping[str, Any],
        *,
        alert_id: bytes,
        officer: str | None = None,
        attachments: Sequence[Mapping[str, Any]] = (),
    ) -> Composed:
        """Compose one alert. `attachments` are sealed ones, in the form the alert carries them.

        Raises `NotReady` before a directory is held; `BadDocument` with every problem; `UnknownAgency`,
        `UnknownRegion`, `UnknownOperation` or `BadAddress` when one address is all that is wrong; `OperationClosed`,
        `Suspended` and `Nobody`, which says why each addressee is left out; `BodyTooLarge`.
        """
        directory = self._standing.directory
        now = self._clock()
        wanted = _with_facts(document, officer, attachments)
        wanted, wrong = _normalise_addresses(wanted, directory)
        if wrong:
            raise _refusal(check_document(wanted), wrong)
        alert, problems = draft_alert(wanted, alert_id=alert_id, sender=self._standing.agency, composed=now)
        if alert is None:
            raise _refusal(problems, {})
        resolution = resolve(directory, query_of_alert(alert, at=now))
        encoded = encode_alert(alert)
        _check_size(len(encoded), directory)
        warnings = tuple(problem for problem in problems if problem.severity == "warning")
        return Composed(alert, encoded, resolution, directory.version, warnings)

    def explain(self, query: Mapping[str, Any]) -> Resolution:
        """Who would receive an alert of which only the clear facts are given: `to`, and what of `kind`, `marking`,
        `precedence`, `status`, `operation` and `modes` differs from the defaults of a routine amber watch; `subjects`
        as a document has them, or their types alone. To reach nobody is an answer here.

        Raises as `compose` does, and `Malformed` for a word that is none of the list's.
        """
        directory = self._standing.directory
        addresses = _addresses(query.get("to"))
        if addresses is None:
            raise Malformed("an address is needed", hint='Give "to": a list such as ["hk-customs", "region:oceania"].')
        address = tuple(dict.fromkeys(normalise(text, directory) for text in addresses))
        return weigh(plan_of(directory), self.question(query, address))

    def question(self, query: Mapping[str, Any], address: tuple[str, ...]) -> RoutingQuery:
        """The routing question of an alert of ours sent now, of which `query` gives the clear facts as for `explain`.

        Raises `Malformed` for a word that is none of the list's.
        """
        return RoutingQuery(
            sender=self._standing.agency,
            address=address,
            topic=_word(query, "kind", "watch"),
            marking=_word(query, "marking", "amber"),
            precedence=_word(query, "precedence", "routine"),
            status=_word(query, "status", "actual"),
            operation=_word(query, "operation", "") or None,
            modes=tuple(_addresses(query.get("modes") or []) or ()),
            at=self._clock(),
            subjects=_types(query.get("subjects") or []),
        )


def resolution_view(resolution: Resolution) -> dict[str, Any]:
    """Who receives an alert, and the decision on every agency, as JSON-ready data."""
    return {
        "recipients": list(resolution.recipients),
        "trace": [decision._asdict() for decision in resolution.trace],
    }


def _with_facts(
    document: Mapping[str, Any], officer: str | None, attachments: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    if document.get("attachments"):
        problem = Problem(
            "attachments",
            "not-yours",
            "The list of attachments is made by the node.",
            "Hand the files over beside the document: bearing send --attach FILE.",
        )
        raise BadDocument(problem.message, hint=problem.hint, problems=(problem,))
    wanted = dict(document)
    if officer is not None:
        wanted["officer"] = officer
    if attachments:
        wanted["attachments"] = [dict(attachment) for attachment in attachments]
    return wanted


def _normalise_addresses(
    document: dict[str, Any], directory: Directory
) -> tuple[dict[str, Any], dict[str, CrossbearingError]]:
    """The document with its addresses in their wire form, and what is wrong with each of those that have none."""
    addresses = _addresses(document.get("to"))
    if addresses is None:
        return document, {}  # missing or no list of texts: the document's own check says so
    wrong: dict[str, CrossbearingError] = {}
    found: dict[str, None] = {}
    for number, text in enumerate(addresses):
        try:
            found[normalise(text, directory)] = None
        except Refusal as refusal:
            wrong[f"to[{number}]"] = refusal
            found[text] = None
    return (document if wrong else {**document, "to": list(found)}), wrong


def _addresses(value: object) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple) and all(isinstance(text, str) for text in value):
        return list(value)
    return None


def _types(subjects: object) -> tuple[str, ...]:
    """The types of a document's subjects, or of a list of types."""
    listed = subjects if isinstance(subjects, list | tuple) else [None]
    types = [subject.get("type") if isinstance(subject, Mapping) else subject for subject in listed]
    if not all(isinstance(kind, str) for kind in types):
        raise Malformed("subjects must be a list of subjects or of their types")
    return tuple(sorted({str(kind) for kind in types}))


def _word(query: Mapping[str, Any], name: str, default: str) -> str:
    value = query.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise Malformed(f"{name} must be a text")
    return value


def _check_size(size: int, directory: Directory) -> None:
    allowed = min(MAX_BODY, directory.require_document().limits.body_bytes)
    if size > MAX_DOCUMENT or size + size // PADDING > allowed:
        raise BodyTooLarge(f"the alert has {size} bytes, more than may be sent")


def _refusal(problems: Sequence[Problem], wrong: Mapping[str, CrossbearingError]) -> CrossbearingError:
    """Everything that is wrong: a single bad address under its own code, anything else as one list."""
    others = [problem for problem in problems if problem.path not in wrong]
    errors = [problem for problem in others if problem.severity == "error"]
    if len(wrong) == 1 and not errors:
        return next(iter(wrong.values()))
    addressing = [Problem(path, error.code, f"{error.message}.", error.hint) for path, error in wrong.items()]
    first, count = [*addressing, *errors][0], len(addressing) + len(errors)
    more = f" ({count - 1} more)" if count > 1 else ""
    return BadDocument(
        f"{first.path or 'document'}: {first.message}{more}", hint=first.hint, problems=(*addressing, *others)
    )
