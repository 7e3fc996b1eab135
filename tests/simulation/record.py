"""What really happened, seen from outside: every frame on the wire, every signature of the log, everything shown.

Checks that need no hindsight are made here at once; `invariants` judges the rest when all is over.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.envelope.header import PRECEDENCE_RANK, decode_header
from schemas.errors import CrossbearingError
from schemas.log.checkpoint import Checkpoint, parse_checkpoint
from schemas.log.entry import AlertEntry, ReceiptEntry, decode_entry
from schemas.log.note import parse_note
from schemas.log.receipt import decode_receipt
from schemas.session.frames import (
    Block,
    Bye,
    DirectoryUpdate,
    Frame,
    Hello,
    Result,
    Submit,
    TreeHead,
    WitnessedHead,
    decode_frame,
)

SECRET = re.compile(rb"SECRET-(\d+)-")
"""Stands in the title of every alert with its number, so that a body is known wherever it turns up unsealed."""


@dataclass
class Promise:
    """An alert that an agency's node took in. `number` is in its secret; `id` is None until the officer heard of it."""

    number: int
    agency: str
    kind: str
    id: str | None = None


@dataclass
class _Stream:
    """What was delivered on one connection: the largest log size so far and what each frame took, for the order."""

    frames: list[tuple[int, list[tuple[int, int]]]] = field(default_factory=list)
    sent: set[int] = field(default_factory=set)


@dataclass
class Record:
    """Everything seen. `now` gives simulated seconds; with `trace` every event is printed as it is noted."""

    now: Callable[[], float]
    trace: Callable[[str], None] | None = None
    violations: list[str] = field(default_factory=list)
    accepted: dict[tuple[str, bytes], list[int]] = field(default_factory=dict)
    signed: dict[int, bytes] = field(default_factory=dict)
    delivered: dict[tuple[str, int], bytes] = field(default_factory=dict)  # entry bytes by agency and index
    sizes: dict[tuple[str, int], int] = field(default_factory=dict)  # of the log when that was last sent
    submissions: list[tuple[str, Submit]] = field(default_factory=list)
    shown: dict[tuple[str, str], int] = field(default_factory=dict)  # times, by agency and alert
    journals: dict[str, dict[int, tuple[str, object]]] = field(default_factory=dict)  # events shown, by agency and seq
    promises: list[Promise] = field(default_factory=list)
    handled: dict[tuple[str, str], int] = field(default_factory=dict)
    codes: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    honest: bool = True
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False  # nothing counts any more
    cheated: bool = False  # the rogue told the hub of a history that never was
    scrub: str = ""  # the name of the folder, which differs from run to run
    _streams: dict[int, _Stream] = field(default_factory=dict)
    _digest: object = field(default_factory=hashlib.sha256)

    def event(self, what: str) -> None:
        """Note that something happened."""
        if self.closed:
            return
        line = f"{self.now():10.3f} {what.replace(self.scrub, '') if self.scrub else what}"
        self._digest.update(line.encode() + b"\n")  # type: ignore[attr-defined]  # hashlib's type has no public name
        if self.trace is not None:
            self.trace(line)

    @property
    def digest(self) -> str:
        """What distinguishes one course of events from another."""
        return str(self._digest.hexdigest())[:16]  # type: ignore[attr-defined]  # as above

    def violation(self, invariant: str, what: str) -> None:
        """An invariant does not hold."""
        if self.closed:
            return
        self.violations.append(f"{invariant}: {what}")
        self.failed.set()
        self.event(f"VIOLATION {invariant}: {what}")

    # -- the wire ------------------------------------------------------------------------------------------------------

    def hub_sent(self, agency: str, wire: int, data: bytes) -> None:
        """The hub sent a message."""
        self._look_for_secrets(f"a frame to {agency}", data)
        frame = decode_frame(data, sender="hub")
        self.event(f"hub -> {agency}#{wire} {_words(frame)}")
        match frame:
            case Result(items=items):
                for item in items:
                    if item.accepted:
                        self._accepted(agency, item.ref, item.index)
                    else:
                        self.codes[item.code] += 1
            case Block():
                self._checkpoint(frame.checkpoint)
                self._block(agency, wire, frame)
            case DirectoryUpdate(checkpoint=note) | TreeHead(checkpoint=note) | WitnessedHead(checkpoint=note):
                self._checkpoint(note)
            case Bye(code=code):
                self.codes[f"bye {code}"] += 1

    def hub_heard(self, agency: str, wire: int, data: bytes) -> None:
        """The hub took in a message."""
        self._look_for_secrets(f"a frame from {agency}", data)
        try:
            frame = decode_frame(data, sender="node")
        except CrossbearingError:
            self.event(f"hub <- {agency}#{wire} junk of {len(data)} bytes")
            return
        self.event(f"hub <- {agency}#{wire} {_words(frame)}")
        if isinstance(frame, Submit):
            self.submissions.append((agency, frame))

    def _accepted(self, agency: str, ref: bytes, index: int) -> None:
        places = self.accepted.setdefault((agency, ref), [])
        if index not in places:
            places.append(index)

    def _block(self, agency: str, wire: int, frame: Block) -> None:
        size = parse_checkpoint(parse_note(frame.checkpoint).text).size
        keys = []
        for item in frame.items:
            self.delivered[agency, item.index] = item.entry
            self.sizes[agency, item.index] = max(size, self.sizes.get((agency, item.index), 0))
            if item.index >= size:
                self.violation("delivered-included", f"{agency} was sent {item.index} under a checkpoint of {size}")
            entry = decode_entry(item.entry)
            if isinstance(entry, AlertEntry):
                header = decode_header(entry.header)
                keys.append((PRECEDENCE_RANK[header.precedence], item.index))
                if agency not in {recipient.agency for recipient in header.recipients}:
                    self.violation("addressed", f"{agency} was sent alert {item.index}, which is not addressed to it")
            elif isinstance(entry, ReceiptEntry):
                if decode_receipt(entry.receipt).sender != agency:
                    self.violation("addressed", f"{agency} was sent the receipt at {item.index} about another's alerts")
                if item.body:
                    self.violation("addressed", f"{agency} was sent a body with the receipt at {item.index}")
        self._order(agency, wire, size, keys)

    def _order(self, agency: str, wire: int, size: int, keys: list[tuple[int, int]]) -> None:
        """By precedence, then index: what is sent later was not in the log then, or is less urgent."""
        stream = self._streams.setdefault(wire, _Stream())
        if keys != sorted(keys):
            self.violation("order", f"{agency} was sent {keys} in one frame")
        for key in keys:
            if key[1] in stream.sent:
                self.violation("order", f"{agency} was sent alert {key[1]} twice on one connection")
            for before, earlier in stream.frames:
                if key[1] < before and any(key < other for other in earlier):
                    self.violation("order", f"{agency} was sent {key} after {earlier}, made when the log had {before}")
        stream.sent |= {index for _, index in keys}
        if keys:
            stream.frames.append((size, keys))

    def _look_for_secrets(self, where: str, data: bytes) -> None:
        if SECRET.search(data):
            self.violation("no-body-outside", f"{where} shows what is sealed")

    # -- the log -------------------------------------------------------------------------------------------------------

    def signing(self, checkpoint: Checkpoint) -> None:
        """The log's key signs."""
        self.event(f"hub signs {checkpoint.size}")
        before = self.signed.setdefault(checkpoint.size, checkpoint.root)
        if before != checkpoint.root and self.honest:
            self.violation("one-history", f"two different checkpoints of size {checkpoint.size} were signed")

    def _checkpoint(self, note: bytes) -> None:
        checkpoint = parse_checkpoint(parse_note(note).text)
        if self.signed.get(checkpoint.size) != checkpoint.root and self.honest:
            self.violation("one-history", f"a checkpoint of size {checkpoint.size} was sent that was never signed")

    # -- what is shown -------------------------------------------------------------------------------------------------

    def journal(self, agency: str, seq: int, kind: str, data: dict[str, object]) -> None:
        """A follower of the agency's events was shown one."""
        journal = self.journals.setdefault(agency, {})
        if seq in journal:
            if journal[seq] != (kind, data):
                self.violation("shown-is-durable", f"{agency} showed event {seq} as {journal[seq]}, then as {data}")
            return
        journal[seq] = (kind, data)
        self.event(f"{agency} shows {kind} {' '.join(f'{name}={value}' for name, value in sorted(data.items()))}")
        if kind == "alert":
            place = agency, str(data["alert"])
            self.shown[place] = self.shown.get(place, 0) + 1
            if self.shown[place] > 1:
                self.violation("shown-once", f"{agency} showed alert {place[1]} {self.shown[place]} times")

    def log(self, process: str, entry: dict[str, object]) -> None:
        """A line that the production code logged. One with a traceback is a bug wherever it comes from."""
        words = " ".join(
            f"{name}={value}" for name, value in sorted(entry.items()) if name not in ("event", "exc_info")
        )
        self.event(f"{process} logs {entry.get('event')} {words}")
        if entry.get("exc_info"):
            self.violation("no-unforeseen-failure", f"{process}: {entry.get('event')} {entry['exc_info']!r}")


def _words(frame: Frame) -> str:
    """A frame in short, without anything that differs from run to run."""
    match frame:
        case Hello():
            return f"hello size={frame.size} directory={frame.directory} notices={frame.notices}"
        case Result(items=items):
            return "result " + " ".join(f"{i.index if i.accepted else i.code}" for i in items)
        case Block(items=items):
            return "block " + " ".join(str(item.index) for item in items)
        case DirectoryUpdate(items=items):
            return "directory " + " ".join(str(item.index) for item in items)
        case Bye():
            return f"bye {frame.code} {frame.message}"
    return type(frame).__name__.lower()
