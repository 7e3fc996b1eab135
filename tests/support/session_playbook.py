"""Playbooks for the session machine: a list of what each side says, and what must come of it. No sockets."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.session.frames import Block, Frame, Hello, Item, Side, Welcome
from schemas.session.machine import SessionMachine

HELLO = Hello(1, "hk-customs", 0, 0, bytes(32), 0, 3)
WELCOME = Welcome(1, "example.org/log", 33, 40, 1_790_000_000_000)


def block(alerts: int, receipts: int = 0) -> Block:
    """A block of so many alerts and receipts."""
    items = [Item(n, b"entry", (), b"body", ()) for n in range(alerts)]
    return Block(b"note", (), (*items, *(Item(100 + n, b"entry", (), b"", ()) for n in range(receipts))))


@dataclass
class Playbook:
    """Two machines back to back: what one sends, the other receives."""

    node: SessionMachine
    hub: SessionMachine

    @classmethod
    def new(cls) -> Playbook:
        """Before the first frame."""
        return cls(SessionMachine("node"), SessionMachine("hub"))

    @classmethod
    def opened(cls) -> Playbook:
        """After hello (with a credit of 3) and welcome."""
        return cls.new().says("node", HELLO).says("hub", WELCOME)

    def says(self, side: Side, *frames: Frame) -> Playbook:
        """`side` sends these, and the other side takes them for what they are."""
        sender, receiver = (self.node, self.hub) if side == "node" else (self.hub, self.node)
        for frame in frames:
            assert receiver.receive(sender.send(frame)) == frame
        return self

    def stands(self, state: str, credit: int) -> Playbook:
        """Both sides agree on where they are."""
        assert (self.node.state, self.node.credit) == (state, credit)
        assert (self.hub.state, self.hub.credit) == (state, credit)
        return self
