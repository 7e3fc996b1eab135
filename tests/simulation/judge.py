"""The invariants, judged when all is over: on what is durable at the hub and at every node, and on what was seen.

docs/simulation.md lists them under the names used here.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from broker.engines.sqlite import SqliteEngine
from broker.engines.sqlite_anchor import SqliteAnchor
from broker.recovery import Recovered, recover
from broker.state import Standing
from nodes.auditor.findings import ESCALATION_MISSING, RECEIPT_CONTRADICTS
from nodes.store.alerts import AlertRow, Filter
from nodes.store.database import Database, Tables
from schemas.codec import Value, encode
from schemas.envelope.header import Header, decode_header
from schemas.errors import CrossbearingError
from schemas.ids import format_id, parse_id, sha256
from schemas.log.entry import AlertEntry, DirectoryEntry, Entry, PurgeEntry, ReceiptEntry, decode_entry
from schemas.log.merkle import root
from schemas.log.receipt import decode_receipt
from tests.simulation.auditing import complaint, findings
from tests.simulation.disk import BELOW
from tests.simulation.hub import ANCHOR, LOG, signer_of
from tests.simulation.node import DATABASE, KEY, NodeHost
from tests.simulation.plan import ROGUE
from tests.simulation.record import SECRET, Record

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

ALARMING = frozenset(
    {
        "fork",
        "bad-receipt",
        "not-included",
        "bad-entry",
        "bad-checkpoint",
        "checkpoint-untrusted",
        "protocol-error",
        "internal",
        "directory-rollback",
        "directory-invalid",
        "directory-unknown",
        "wrong-directory",
        "bad-signature",
    }
)
"""Alarms that no trouble of an honest hub excuses."""
SIGNED_BY_A_ROGUE = frozenset({RECEIPT_CONTRADICTS})
"""What a rogue can bring into the log for an auditor to find; everything else the hub must refuse, whoever sent it."""
_VIEWS = {
    Standing.WAITING: {"accepted", "escalated", "expired"},
    Standing.WITHDRAWN: {"recalled", "expired"},
    Standing.REFUSED: {"refused"},
    Standing.STORED: {"stored"},
    Standing.READ: {"read"},
    Standing.ACTIONED: {"actioned"},
}
"""What a sender may show for a standing in the log."""


async def settled(sim: Simulation) -> list[str]:
    """What is still under way, though nothing is wrong any more."""
    exchange = sim.hub.exchange
    if exchange is None:
        return ["the hub is not up"]
    left = []
    now, size, engine = sim.hub.clock(), exchange.head.size, exchange.engine
    for agency, host in sim.hosts.items():
        state = await host.request(lambda service: service._store.read(_under_way))
        if not isinstance(state, tuple):
            left.append(f"{agency} does not answer")
            continue
        waiting, receipts, notices, held = state
        if waiting:
            left.append(f"{agency} has {waiting} alerts that are not in the log")
        if receipts:
            left.append(f"{agency} has {receipts} receipts that are not in the log")
        if engine.outstanding(agency, (-1, -1), size, now, 1):
            left.append(f"{agency} waits for alerts")
        if engine.notices(agency, notices, size, 1):
            left.append(f"{agency} waits for receipts")
        if host.exchange is None or not host.exchange.state.connected or held > size:
            left.append(f"{agency} is not connected")
    return left


def _under_way(tables: Tables) -> tuple[int, int, int, int]:
    held = tables.held.checkpoint
    return (
        tables.outbox.count_waiting(),
        len(tables.receipts.all()),
        tables.held.notices,
        held.size if held is not None else 0,
    )


def judge(sim: Simulation) -> None:
    """Check every invariant that needs hindsight."""
    if sim.record.violations:
        return  # what follows from one violation says nothing new
    folder = sim.folder / "judged"
    folder.mkdir()
    try:
        Verdict(sim, folder).reach()
    except CrossbearingError as error:
        sim.record.violation("the-hub-starts-again", complaint(error))


class Verdict:
    """One simulation's end, opened from its disks."""

    def __init__(self, sim: Simulation, folder: Path) -> None:
        self.sim = sim
        self.folder = folder
        self.record: Record = sim.record
        self.now = sim.clock()
        self.headers: dict[int, Header] = {}

    def reach(self) -> None:
        """Judge all."""
        images = self.sim.hub.disk.images()
        self._no_secrets("the hub", images, frozenset())
        recovered = self._restart_twice(images)
        self._one_history(recovered)
        self._accepted()
        self._delivered()
        self._recalls()
        databases = {agency: self._open(host) for agency, host in self.sim.hosts.items()}
        try:
            self._obligations(databases)
            self._shown(databases)
            self._views(databases)
            self._bodies(databases)
            self._alarms()
        finally:
            for database in databases.values():
                database.close()
        self._audit(recovered)
        self.engine.close()
        self.anchor.close()

    # -- the hub -------------------------------------------------------------------------------------------------------

    def _restart_twice(self, images: dict[str, bytes]) -> Recovered:
        """Starting again after a start changes nothing."""
        seen = []
        for attempt in (1, 2):
            if attempt == 1:
                for name, data in images.items():
                    (self.folder / name).write_bytes(data)
            self.engine = SqliteEngine(self.folder / LOG, vfs=BELOW)
            self.anchor = SqliteAnchor(self.folder / ANCHOR, vfs=BELOW)
            signer = signer_of(self.sim.world, self.record.signing)
            recovered = recover(self.engine, self.anchor, signer, self.sim.world.trusted_root)
            seen.append((recovered.head.note, len(recovered.history), dump(self.folder / LOG, vfs=BELOW)))
            if attempt == 1:
                self.engine.close()
                self.anchor.close()
        if seen[0] != seen[1]:
            self.record.violation("restart-twice", "the hub started a second time differs from the first")
        return recovered

    def _one_history(self, recovered: Recovered) -> None:
        """Everything that was ever signed is a beginning of the log."""
        self.size = recovered.tree.size
        for size, signed in sorted(self.record.signed.items()):
            if size > self.size:
                self.record.violation("one-history", f"a log of {size} entries was signed, and {self.size} are left")
            elif root(size, recovered.tree.read) != signed:
                self.record.violation("one-history", f"what was signed at {size} is not the log's beginning")

    def _accepted(self) -> None:
        """What the hub said it accepted stands in the log where it said.

        A receipt that adds nothing is given the place of the newest one that says as much, so it may be told a later
        place when it comes again; everything else has one.
        """
        for (agency, ref), places in sorted(self.record.accepted.items()):
            good = all(self._stands(agency, ref, index) for index in places)
            if not good or (places != sorted(places) and self.record.honest):
                self.record.violation("accepted-for-ever", f"{agency} was told that {ref.hex()} stands at {places}")
            elif len(places) > 1 and not isinstance(self._entry(places[0]), ReceiptEntry) and self.record.honest:
                self.record.violation("accepted-for-ever", f"{agency} was told {places} for {ref.hex()}")

    def _entry(self, index: int) -> Entry | None:
        data = self.engine.entry(index)
        return decode_entry(data) if data is not None else None

    def _stands(self, agency: str, ref: bytes, index: int) -> bool:
        match self._entry(index):
            case AlertEntry(header=data):
                header = decode_header(data)
                return (header.id, header.sender) == (ref, agency)
            case ReceiptEntry(receipt=receipt):
                return decode_receipt(receipt).agency == agency
            case DirectoryEntry(digest=digest):
                return digest[:16] == ref
        return False

    def _delivered(self) -> None:
        """What was delivered is what the log holds."""
        for (agency, index), entry in sorted(self.record.delivered.items()):
            if self.engine.entry(index) != entry:
                self.record.violation("delivered-included", f"{agency} was sent another entry {index} than the log has")

    def _recalls(self) -> None:
        """What is recalled is sent to nobody any more."""
        places = {header.id: index for index, header in self._alerts()}
        for place, header in self._alerts():
            relation = header.relation
            if relation is None or relation.type != "recall" or relation.alert not in places:
                continue
            target = places[relation.alert]
            for (agency, index), size in sorted(self.record.sizes.items()):
                if index == target and size > place:
                    self.record.violation("recalled-is-not-sent", f"{agency} was sent {target}, recalled at {place}")

    # -- the nodes -----------------------------------------------------------------------------------------------------

    def _open(self, host: NodeHost) -> Database:
        path = host.disk.folder / DATABASE
        Database(path, KEY, vfs=host.vfs.name).close()
        before = dump(path, vfs=host.vfs.name)
        database = Database(path, KEY, vfs=host.vfs.name)
        if before != dump(path, connection=database._connection):
            self.record.violation("restart-twice", f"{host.name} started a second time differs from the first")
        held = database.read(lambda tables: tables.held.checkpoint)
        if held is not None and self.record.signed.get(held.size) != held.root:
            self.record.violation("one-history", f"{host.name} holds a checkpoint of {held.size} that nobody signed")
        return database

    def _alerts(self) -> list[tuple[int, Header]]:
        if not self.headers:
            for index, data in enumerate(self.engine.entries(0, self.size)):
                entry = decode_entry(data)
                if isinstance(entry, AlertEntry):
                    self.headers[index] = decode_header(entry.header)
        return sorted(self.headers.items())

    def _obligations(self, databases: dict[str, Database]) -> None:
        """Every alert ends at every recipient: stored, refused, expired or recalled; and the recipient agrees."""
        purged = {e.index for e in map(decode_entry, self.engine.entries(0, self.size)) if isinstance(e, PurgeEntry)}
        for index, header in self._alerts():
            for recipient in header.recipients:
                agency = recipient.agency
                if agency == ROGUE:
                    continue
                delivery = self.engine.delivery(agency, index)
                standing = delivery.standing if delivery is not None else None
                row = databases[agency].read(partial(_received, header.id))
                place = f"alert {index} from {header.sender} to {agency}"
                if standing is None or (standing is Standing.WAITING and header.expires > self.now):
                    self.record.violation("everything-ends", f"{place} has no end")
                elif standing is Standing.WITHDRAWN and not self._recalled(header) and index not in purged:
                    self.record.violation("everything-ends", f"{place} was withdrawn, and never recalled")
                elif standing is Standing.REFUSED and header.sender != ROGUE:
                    self.record.violation("everything-ends", f"{place} was refused by its recipient")
                elif standing in (Standing.STORED, Standing.READ, Standing.ACTIONED):
                    if row is None or row.index != index:
                        self.record.violation("stored-is-stored", f"{place} was receipted, and is not there")
                    elif row.state != {Standing.STORED: "unread"}.get(standing, standing.name.lower()):
                        self.record.violation("views-equal", f"{place}: {row.state} there, {standing.name} in the log")

    def _recalled(self, header: Header) -> bool:
        return any(
            other.relation is not None and (other.relation.type, other.relation.alert) == ("recall", header.id)
            for _, other in self._alerts()
        )

    def _shown(self, databases: dict[str, Database]) -> None:
        """What was shown is in the log and addressed to who showed it, and is still there."""
        by_id = {header.id: (index, header) for index, header in self._alerts()}
        for agency, alert in sorted(self.record.shown):
            index, header = by_id.get(parse_id(alert), (None, None))
            if index is None or header is None:
                self.record.violation("shown-is-logged", f"{agency} showed {alert}, which is not in the log")
                continue
            if agency not in {recipient.agency for recipient in header.recipients}:
                self.record.violation("addressed", f"{agency} showed {alert}, which is not addressed to it")
            row = databases[agency].read(partial(_received, header.id))
            if row is None or row.index != index:
                self.record.violation("shown-is-durable", f"{agency} showed {alert}, and does not hold it")
        for agency, database in databases.items():
            events = database.read(lambda t: t.events.after(0, limit=1_000_000))
            held = {event.seq: (event.type, dict(event.data)) for event in events}
            if lost := [seq for seq, shown in self.record.journals.get(agency, {}).items() if held.get(seq) != shown]:
                self.record.violation("shown-is-durable", f"{agency} showed events {lost}, which are not there")

    def _views(self, databases: dict[str, Database]) -> None:
        """What a sender shows of its alerts is what the log says."""
        logged = {header.id: index for index, header in self._alerts()}
        for promise in self.record.promises:
            assert promise.id is not None
            row = databases[promise.agency].read(partial(_own, parse_id(promise.id)))
            if row is None:
                self.record.violation(
                    "promised-is-kept", f"{promise.agency} took in {promise.id}, and does not hold it"
                )
            elif row.state == "waiting":
                self.record.violation("everything-ends", f"{promise.agency} still waits to send {promise.id}")
        for agency, database in databases.items():
            for row in database.read(_sent):
                index = logged.pop(row.id, None)
                if (row.state == "accepted") != (index is not None) or row.index != index:
                    self.record.violation(
                        "views-equal", f"{agency}: {format_id(row.id)} is {row.state} at {row.index}; the log: {index}"
                    )
                elif index is not None:
                    self._compare_deliveries(agency, database, row, index)
        for identity, index in logged.items():
            if self.headers[index].sender != ROGUE:
                self.record.violation("views-equal", f"the sender of {format_id(identity)} at {index} does not hold it")

    def _compare_deliveries(self, agency: str, database: Database, row: AlertRow, index: int) -> None:
        for shown in database.read(lambda t: t.alerts.deliveries(row.number)):
            delivery = self.engine.delivery(shown.agency, index)
            if delivery is None or shown.state not in _VIEWS[delivery.standing]:
                log = delivery.standing.name if delivery is not None else "no recipient"
                self.record.violation(
                    "views-equal", f"{agency} shows alert {index} to {shown.agency} as {shown.state}; the log: {log}"
                )

    def _bodies(self, databases: dict[str, Database]) -> None:
        """No plaintext on any disk but those of its sender and its recipients."""
        allowed: dict[bytes, set[str]] = defaultdict(set)
        for agency, database in databases.items():
            for row in database.read(_sent):
                document = database.read(partial(_document, row.number))
                parties = {agency}
                if row.index is not None:
                    parties |= {recipient.agency for recipient in self.headers[row.index].recipients}
                for number in SECRET.findall(encode(document)):
                    allowed[number] |= parties
        for agency, host in self.sim.hosts.items():
            mine = frozenset(number for number, parties in allowed.items() if agency in parties)
            self._no_secrets(agency, host.disk.images(), mine)

    def _no_secrets(self, where: str, images: dict[str, bytes], allowed: frozenset[bytes]) -> None:
        for name, data in images.items():
            if found := set(re.findall(SECRET, data)) - allowed:
                self.record.violation("no-body-outside", f"{where} has the plaintext of {sorted(found)} in {name}")

    def _alarms(self) -> None:
        for agency, journal in self.record.journals.items():
            for kind, data in journal.values():
                assert isinstance(data, dict)
                if kind == "alarm" and data["code"] in ALARMING and "cleared" not in data:
                    self.record.violation("no-false-alarm", f"{agency}: {data['code']} {data.get('message')}")

    # -- the auditor ---------------------------------------------------------------------------------------------------

    def _audit(self, recovered: Recovered) -> None:
        """The auditor's own code finds nothing wrong with the log."""
        try:
            found = findings(self.sim.world, self.engine, recovered.tree, recovered.head, self.folder / "audit")
        except CrossbearingError as error:
            self.record.violation("the-audit-is-clean", complaint(error))
            return
        for finding in found:
            own = finding.party == ROGUE and finding.kind in SIGNED_BY_A_ROGUE
            if not own and not (finding.kind is ESCALATION_MISSING and self._hub_was_troubled()):
                what = f"{finding.party}: {finding.kind.code} {finding.message} (entry {finding.entry})"
                self.record.violation("the-audit-is-clean", what)

    def _hub_was_troubled(self) -> bool:
        """Whether the hub had a reason to call a desk late."""
        return any(trouble.kind.endswith(("-hub", "-disk")) for trouble in self.sim.plan.troubles)


def _sent(tables: Tables) -> list[AlertRow]:
    return tables.alerts.page(Filter("out", limit=1_000_000))


def _received(alert: bytes, tables: Tables) -> AlertRow | None:
    return tables.alerts.get("in", alert)


def _own(alert: bytes, tables: Tables) -> AlertRow | None:
    return tables.alerts.get("out", alert)


def _document(number: int, tables: Tables) -> Value:
    return tables.alerts.content(number).document


def dump(path: Path, *, vfs: str | None = None, connection: Any = None) -> str:
    """A digest of everything in a database."""
    db = connection if connection is not None else apsw.Connection(str(path), vfs=vfs)
    digest = hashlib.sha256()
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    for table in tables:
        with suppress(apsw.SQLError):  # the shadows of a search index are not for reading
            for row in db.execute(f'SELECT * FROM "{table}" ORDER BY 1'):
                digest.update(repr(row).encode())
        digest.update(sha256(table.encode()))
    if connection is None:
        db.close()
    return digest.hexdigest()
