"""What the hub counts and measures, in a registry of its own. Names start with `crossbearing_`; times in seconds."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_ENTRIES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
PRECEDENCES = ("flash", "immediate", "priority", "routine")


class Metrics:
    """All metrics of one hub. Labels hold codes and precedences, never an agency's traffic with another."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # unannotated; a start time per series is noise here
        self.registry = CollectorRegistry()
        self.entries = self._counter("entries", "Entries logged, by kind", "kind")
        self.accepted = self._counter("accepted", "Submissions accepted, by kind", "kind")
        self.refused = self._counter("refused", "Submissions refused, by kind and code", "kind", "code")
        self.turned_away = self._counter("turned_away", "Connections and requests not served, by reason", "why")
        self.deliveries = self._counter("deliveries", "Alerts sent to nodes")
        self.receipts = self._counter("receipts", "Alerts receipted, by state", "state")
        self.expired = self._counter("expired_deliveries", "Deliveries dropped because the alert had expired")
        self.escalations = self._counter("escalations", "Alerts escalated because they were not stored", "outcome")
        self.damage = self._counter("damage", "Times that something stored was read and found missing or altered")
        self.sessions = self._gauge("sessions", "Nodes connected")
        self.outstanding = self._gauge("outstanding", "Alerts waiting for nodes, by precedence", "precedence")
        self.pending = self._gauge("pending", "Submissions that wait for a block")
        self.restored = self._gauge("restored", "1 while a restored log is not settled and nothing is taken in")
        self.log_size = self._gauge("log_size", "Entries in the signed log")
        self.directory = self._gauge("directory_version", "Directory version in force")
        self.directory_expiry = self._gauge(
            "directory_expiry_days", "Days until the signatures of a role of the directory expire", "role"
        )
        self.storage_ok = self._gauge("storage_ok", "1 while the storage is trusted, 0 once it is in doubt")
        self.cosigners = self._gauge("cosigners", "Witnesses that cosigned the newest checkpoint asked for")
        self.quorum = self._gauge("quorum", "Witnesses that must cosign a checkpoint")
        self.quorum_size = self._gauge("quorum_log_size", "Entries in the newest checkpoint that has its quorum")
        self.quorum_seconds = self._gauge("quorum_missing_seconds", "For how long new checkpoints lack their quorum")
        self.cosignatures_refused = self._counter(
            "cosignatures_refused", "Answers of witnesses that did not count, by code", "code"
        )
        self.conflicts = self._counter("witness_conflicts", "Witnesses that hold another history than this log")
        self.disk_free = self._gauge(
            "disk_free_bytes", "Room left on the disk of the log or of the anchor, whichever has less"
        )
        self.block_entries = self._histogram("block_entries", "Entries in a block", _ENTRIES)
        self.block_seconds = self._histogram(
            "block_seconds", "From opening a block to its anchored checkpoint", _SECONDS
        )
        self.accept_seconds = self._histogram("accept_seconds", "From a submission's arrival to its verdict", _SECONDS)
        self.storage_ok.set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"crossbearing_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"crossbearing_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"crossbearing_{name}", text, buckets=buckets, registry=self.registry)

    def expose(self) -> bytes:
        """All metrics in the text format."""
        return generate_latest(self.registry)
