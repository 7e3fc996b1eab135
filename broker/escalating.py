"""May this escalation enter the log? One pure function from state to a verdict, in numbered steps.

1   there is an alert at that index, and the agency is a recipient
2   it still waits for that agency, and has not expired
3   the agency is active in the directory in force
4   the time that the governors allow is over
5   it continues what the log says: due first, then unreachable, then reached
6   who was reached is a contact that the agency publishes

The hub submits escalations to itself; what is no longer so when its turn comes is dropped here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

from broker.state import ESCALATED_BY_OUTCOME, Delivery, Escalated, KnownAlert, Standing, View
from schemas.directory.history import Directory
from schemas.errors import Missing, Suspended, WrongState
from schemas.log.entry import Outcome
from schemas.steps import step

STEPS = {
    1: "there is such an alert for the agency",
    2: "it still waits",
    3: "the agency is active",
    4: "the time is over",
    5: "it continues what the log says",
    6: "the contact is one of the agency's",
}


@dataclass(frozen=True, slots=True)
class Escalate:
    """The alert at `index` is escalated for `agency`, with this outcome; `contact` is who was reached."""

    index: int
    agency: str
    outcome: Outcome
    contact: str | None = None


@dataclass(frozen=True, slots=True)
class AdmittedEscalation:
    """An escalation that may enter the log; only `admit_escalation` makes one."""

    alert: KnownAlert
    delivery: Delivery
    outcome: Outcome


def admit_escalation(wanted: Escalate, *, view: View, newest: Directory, now: int) -> AdmittedEscalation:
    """Decide on one step of an escalation, at `now` (ms).

    Raises `Missing`, `WrongState` or `Suspended`.
    """
    index, agency = wanted.index, wanted.agency
    with step(1):
        alert, delivery = view.alert_at(index), view.delivery(agency, index)
        if alert is None or delivery is None:
            raise Missing(f"there is no alert for {agency} at index {index}", index=index)
    with step(2):
        if delivery.standing is not Standing.WAITING or delivery.expires <= now:
            raise WrongState(f"the alert at index {index} waits for {agency} no longer")
    with step(3):
        if not newest.is_active(agency):
            raise Suspended(f"{agency} is suspended")
    with step(4):
        if delivery.escalates is None or delivery.escalates > now:
            raise WrongState(f"the alert at index {index} is not to be escalated yet")
    with step(5):
        outcome = ESCALATED_BY_OUTCOME[wanted.outcome]
        if outcome <= delivery.escalated or (delivery.escalated is Escalated.NO) != (outcome is Escalated.DUE):
            raise WrongState(f"{wanted.outcome} does not follow {delivery.escalated.name.lower()} at index {index}")
    with step(6):
        published = newest.keys.get(agency)
        known = [contact.id for contact in published.contacts] if published is not None else []
        if wanted.contact is not None and wanted.contact not in known:
            raise Missing(f"{agency} publishes no contact {wanted.contact}")
    return AdmittedEscalation(alert, delivery, wanted.outcome)
