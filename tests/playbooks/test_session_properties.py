"""What holds for the session machine whatever the two sides say, in whatever order: it is always in a defined state."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas.errors import CrossbearingError, EncodingRefusal, SessionRefusal
from schemas.limits import MAX_CREDIT
from schemas.session.frames import Block, Bye, Credit, Frame, Hello, Side, decode_frame, encode_frame
from schemas.session.machine import TRANSITIONS, SessionMachine, SessionMisuse
from tests.support.frames import BY_SIDE, FROM_HUB, FROM_NODE, messages
from tests.support.session_playbook import HELLO, WELCOME

SIDES: tuple[Side, Side] = ("node", "hub")


def hear(machine: SessionMachine, data: bytes) -> Frame | CrossbearingError:
    """What a machine makes of a message; after a refusal the session is closed, as both daemons do."""
    before = (machine.state, machine.credit)
    try:
        return machine.receive(data)
    except (EncodingRefusal, SessionRefusal) as error:
        if before[0] != "closed":
            assert (machine.state, machine.credit) == before, "a refused frame has moved the machine"
            machine.send(Bye(error.code, error.message[:1_000]))
        assert machine.state == "closed"
        return error


def defined(machine: SessionMachine) -> None:
    assert machine.state in TRANSITIONS
    assert 0 <= machine.credit <= MAX_CREDIT


@pytest.mark.parametrize("role", SIDES)
@settings(deadline=None)
@given(data=st.data())
def test_any_messages_leave_a_machine_in_a_defined_state_and_closed_is_final(role: Side, data: st.DataObject) -> None:
    machine = SessionMachine(role)
    stream = messages(machine.peer)
    if data.draw(st.booleans(), "greeted"):
        if role == "hub":
            machine.receive(encode_frame(HELLO))
            machine.send(WELCOME)
        else:
            machine.send(HELLO)
            machine.receive(encode_frame(WELCOME))
    closed = False
    for message in data.draw(st.lists(stream, max_size=12), "messages"):
        outcome = hear(machine, message)
        defined(machine)
        assert not (closed and not isinstance(outcome, CrossbearingError)), "a closed machine took a frame"
        closed = machine.state == "closed"
        if closed:
            for frame in (Bye("", ""), Credit(1)):
                with pytest.raises(SessionMisuse):
                    machine.send(frame)


@pytest.mark.parametrize("side", SIDES)
@settings(deadline=None)
@given(data=st.data())
def test_every_frame_has_one_encoding_and_is_not_the_other_sides_to_send(side: Side, data: st.DataObject) -> None:
    frame = data.draw(BY_SIDE[side])
    encoded = encode_frame(frame)
    assert decode_frame(encoded, sender=side) == frame
    if not isinstance(frame, Bye):
        with pytest.raises((SessionRefusal, EncodingRefusal)):  # a hub's frames nest deeper than a node's may
            decode_frame(encoded, sender="hub" if side == "node" else "node")


class TwoMachines(RuleBasedStateMachine):
    """Two machines back to back over a wire that keeps the order: what one may say, the other takes."""

    def __init__(self) -> None:
        super().__init__()
        self.machines: dict[Side, SessionMachine] = {side: SessionMachine(side) for side in SIDES}
        self.wires: dict[Side, deque[bytes]] = {side: deque() for side in SIDES}
        """What is on its way to each side."""
        self.granted = 0
        self.spent = 0

    def other(self, side: Side) -> Side:
        return self.machines[side].peer

    def say(self, side: Side, frame: Frame) -> None:
        machine = self.machines[side]
        before = (machine.state, machine.credit)
        try:
            data = machine.send(frame)
        except SessionMisuse:
            assert (machine.state, machine.credit) == before, "a frame that was not sent has moved the machine"
            return
        self.wires[self.other(side)].append(data)

    @rule(frame=FROM_NODE)
    def node_says(self, frame: Frame) -> None:
        self.say("node", frame)

    @rule(frame=FROM_HUB)
    def hub_says(self, frame: Frame) -> None:
        self.say("hub", frame)

    @precondition(lambda self: self.machines["node"].state == "start")
    @rule()
    def greet(self) -> None:
        self.say("node", HELLO)

    @precondition(lambda self: self.machines["hub"].state == "greeted")
    @rule()
    def welcome(self) -> None:
        self.say("hub", WELCOME)

    @rule(side=st.sampled_from(SIDES))
    def arrives(self, side: Side) -> None:
        if not self.wires[side]:
            return
        data = self.wires[side].popleft()
        machine = self.machines[side]
        if machine.state == "closed":
            return  # whoever has said goodbye reads no more
        frame = machine.receive(data)  # raises nothing: the two never disagree about what may be said
        if isinstance(frame, Hello):
            self.granted += frame.credit
        elif isinstance(frame, Credit):
            self.granted += frame.n
        elif isinstance(frame, Block):
            self.spent += sum(item.is_alert for item in frame.items)

    @invariant()
    def both_are_in_a_defined_state(self) -> None:
        for machine in self.machines.values():
            defined(machine)

    @invariant()
    def the_hub_never_spends_what_it_has_not_been_granted(self) -> None:
        assert self.spent <= self.granted


TestTwoMachines = TwoMachines.TestCase
TestTwoMachines.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
