"""The session as a state machine: bytes in, frames out, and no socket.

Each side runs one machine. `receive` takes the bytes of one binary message and gives the frame; `send` takes a frame
and gives the bytes. Both follow the same table, so a frame that comes at the wrong moment is refused on whichever side
it appears: `ProtocolError` when the peer sent it, `SessionMisuse` when our own code tried to.

    state      frame                              next
    ---------  ---------------------------------  --------
    start      node: Hello                        greeted
    greeted    hub: Welcome                       open
    open       node: Submit SendReceipt Publish
                     Upload Fetch Credit Cosign
                     Recover                      open
    open       hub: Result Block DirectoryUpdate
                    TreeHead WitnessedHead
                    Uploaded Blob Recovered       open
    any        either: Bye                        closed

Credit counts alerts. The node grants some in `Hello` and more with `Credit`; each alert in a `Block` takes one. The hub
may never send more than was granted, and the node may never have more than `MAX_CREDIT` open. Both machines keep the
same count from the frames alone; frames in flight make the two differ only in the safe direction.
"""

from __future__ import annotations

from typing import Final, Literal

from schemas.errors import CreditExceeded, ProtocolError
from schemas.limits import MAX_CREDIT
from schemas.session.frames import (
    Blob,
    Block,
    Bye,
    Cosign,
    Credit,
    DirectoryUpdate,
    Fetch,
    Frame,
    Hello,
    Publish,
    Recover,
    Recovered,
    Result,
    SendReceipt,
    Side,
    Submit,
    TreeHead,
    Upload,
    Uploaded,
    Welcome,
    WitnessedHead,
    decode_frame,
    encode_frame,
)

State = Literal["start", "greeted", "open", "closed"]

TRANSITIONS: Final[dict[State, dict[tuple[Side, type[Frame]], State]]] = {
    "start": {("node", Hello): "greeted", ("node", Bye): "closed", ("hub", Bye): "closed"},
    "greeted": {("hub", Welcome): "open", ("node", Bye): "closed", ("hub", Bye): "closed"},
    "open": {
        ("node", Submit): "open",
        ("node", SendReceipt): "open",
        ("node", Publish): "open",
        ("node", Upload): "open",
        ("node", Fetch): "open",
        ("node", Credit): "open",
        ("node", Cosign): "open",
        ("node", Recover): "open",
        ("hub", Result): "open",
        ("hub", Block): "open",
        ("hub", DirectoryUpdate): "open",
        ("hub", TreeHead): "open",
        ("hub", WitnessedHead): "open",
        ("hub", Uploaded): "open",
        ("hub", Blob): "open",
        ("hub", Recovered): "open",
        ("node", Bye): "closed",
        ("hub", Bye): "closed",
    },
    "closed": {},
}


class SessionMisuse(RuntimeError):
    """Our own code sent a frame that the session does not allow now: a programming error, never the peer's doing."""


class SessionMachine:
    """One side of one session.

    `state` is the row of the table in force; `credit` is how many alerts the hub may still send.
    """

    def __init__(self, role: Side) -> None:
        self.role: Final[Side] = role
        self.peer: Final[Side] = "hub" if role == "node" else "node"
        self.state: State = "start"
        self.credit = 0

    def receive(self, data: bytes) -> Frame:
        """The frame in one binary message from the peer.

        Raises a refusal of the codec, `Malformed`, `VersionUnsupported`, `ProtocolError` or `CreditExceeded`. After
        any of them the session is over: the caller sends `Bye` with its code and closes.
        """
        frame = decode_frame(data, sender=self.peer)
        following = TRANSITIONS[self.state].get((self.peer, type(frame)))
        if following is None:
            raise ProtocolError(f"the {self.peer} sent {type(frame).__name__} while the session is {self.state}")
        self.credit = _credit_after(frame, self.credit)
        self.state = following
        return frame

    def send(self, frame: Frame, written: bytes | None = None) -> bytes:
        """The bytes of one frame to send. Raises `SessionMisuse` when it may not be sent now.

        `written` is what `encode_frame` gave for this very frame before, for another session.
        """
        following = TRANSITIONS[self.state].get((self.role, type(frame)))
        if following is None:
            raise SessionMisuse(f"a {self.role} may not send {type(frame).__name__} while the session is {self.state}")
        try:
            credit = _credit_after(frame, self.credit)
        except CreditExceeded as error:
            raise SessionMisuse(error.message) from error
        data = encode_frame(frame) if written is None else written
        self.credit, self.state = credit, following
        return data


def _credit_after(frame: Frame, credit: int) -> int:
    """The credit left once `frame` has passed. Raises `CreditExceeded`."""
    if isinstance(frame, Hello):
        credit = frame.credit
    elif isinstance(frame, Credit):
        if frame.n == 0:
            raise CreditExceeded("a grant of no credit means nothing")
        credit += frame.n
    elif isinstance(frame, Block):
        alerts = sum(item.is_alert for item in frame.items)
        if alerts > credit:
            raise CreditExceeded(f"a block of {alerts} alerts exceeds the credit of {credit}")
        credit -= alerts
    if credit > MAX_CREDIT:
        raise CreditExceeded(f"a credit of {credit} exceeds the limit of {MAX_CREDIT}")
    return credit
