"""`make demo` and `make demo-stop`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.demo.cases import Case, Sent, example_cases, feed
from deploy.demo.exchange import CHECKOUT, Exchange, script
from deploy.demo.figures import Figures, collect, percentile, settled
from deploy.demo.processes import TICK, DaemonFailed

ROOT = CHECKOUT / ".demo"
PATIENCE = 90.0
"""Seconds without a new receipt after which the demo says what is missing."""

console = Console(highlight=False)


def main(arguments: list[str]) -> int:
    """Run or stop the demo; the exit status."""
    if arguments == ["stop"]:
        ended = Exchange(ROOT).stop()
        console.print(f"Ended {ended} daemons." if ended else "Nothing was running.")
        return 0
    if arguments != ["run"]:
        console.print("usage: python -m deploy.demo run|stop")
        return 2
    try:
        return run()
    except DaemonFailed as failure:
        console.print(f"The demo failed. {failure}", markup=False)
        Exchange(ROOT).stop()
        return 1


def run() -> int:
    """The whole demo."""
    began = time.monotonic()
    Exchange(ROOT).stop()
    exchange = Exchange(ROOT, None)
    cases = example_cases()
    with step(f"keys, certificates and homes for a broker and {len(exchange.agencies)} agencies"):
        exchange.create()
    with step("broker started: log opened, signed checkpoint published"):
        exchange.start_broker()
    with step(f"{len(exchange.agencies)} nodes started and connected over mutual TLS"):
        exchange.start_nodes()
    sent = exchange_alerts(exchange, cases)
    with step("the whole log cosigned by a quorum of the nodes"):
        exchange.wait_quorum()
    figures = collect(exchange, sent)
    verdict = audit(exchange)
    summarise(exchange, figures, verdict, time.monotonic() - began)
    return 0 if verdict["ok"] and not figures.missing else 1


def exchange_alerts(exchange: Exchange, cases: list[Case]) -> list[Sent]:
    """Feed the cases; kill a node at a third and the broker at two thirds; wait for every receipt."""
    sent: list[Sent] = []
    victim = "sg-cnb"
    with progress() as bars:
        feeding = bars.add_task("alerts sent", total=len(cases))
        receipts = bars.add_task("receipts logged", total=None)
        for number, alert in enumerate(feed(exchange, cases), start=1):
            sent.append(alert)
            bars.update(feeding, advance=1)
            if number == len(cases) // 3:
                exchange.kill(victim)
                bars.console.print(f"  [bold]SIGKILL[/bold] {victim} node, and started again while alerts go on")
                exchange.spawn_node(victim)
            if number == 2 * len(cases) // 3:
                exchange.kill("broker")
                bars.console.print("  [bold]SIGKILL[/bold] broker, and started again; nodes reconnect by themselves")
                exchange.start_broker()
        due = sum(len(alert.recipients) for alert in sent)
        bars.update(receipts, total=due)
        last, since = -1, time.monotonic()
        while (done := settled(exchange, sent)) < due:
            bars.update(receipts, completed=done)
            if done != last:
                last, since = done, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                raise DaemonFailed(f"{due - done} of {due} receipts did not arrive within {PATIENCE:g} s")
            time.sleep(TICK * 4)
        bars.update(receipts, completed=due)
    return sent


def audit(exchange: Exchange) -> dict[str, object]:
    """Fetch the log as an independent auditor and verify it offline; the auditor's report."""
    copy = ROOT / "audit"
    with step("auditor fetched the log with its own certificate"):
        exchange.audit_fetch(copy)
    with step("auditor verified every entry, offline"):
        return exchange.audit_verify(copy)


def summarise(exchange: Exchange, figures: Figures, verdict: dict[str, object], seconds: float) -> None:
    """The result in a newcomer's words, and what to try next."""
    bearing, home = relative(script("bearing")), relative(exchange.home("hk-customs"))
    p50, p99 = (percentile(figures.latencies, share) for share in (0.50, 0.99))
    cosigners, quorum = exchange.metric("crossbearing_cosigners"), exchange.metric("crossbearing_quorum")
    outcome = "verified, nothing found" if verdict["ok"] else "FINDINGS, see bearing audit verify"
    console.print()
    console.rule("[bold]What happened", align="left")
    rows = [
        ("alerts", f"{figures.alerts} signed, sealed, logged"),
        ("deliveries", f"{figures.addressed} due, {figures.receipted} receipted by the recipient's own signature"),
        ("lost", f"{len(figures.missing)}"),
        ("latency", f"p50 {p50:,} ms, p99 {p99:,} ms from sealing to stored,"),
        ("", f"all sent at once on {os.cpu_count()} processors, both crashes included"),
        ("log", f"{verdict['size']:,} entries, root {str(verdict['root'])[:16]}…"),
        ("witnesses", f"{cosigners:.0f} nodes cosigned it, {quorum:.0f} are needed"),
        ("auditor", outcome),
        ("time", f"{seconds:.0f} s"),
    ]
    for name, text in rows:
        console.print(f"  {name:<11} {text}")
    console.print()
    console.print("The exchange is still running. Try:")
    for command in (
        f"export BEARING_HOME={home}",
        f"{bearing} inbox",
        f"{bearing} send --template container-watch --dry-run",
        f"{bearing} follow",
    ):
        console.print(f"  {command}", markup=False)
    console.print("and end it with  make demo-stop", markup=False)


def relative(path: Path) -> Path:
    """The path as a person in the checkout would type it."""
    return path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path


@contextmanager
def step(text: str) -> Iterator[None]:
    """Show one step while it runs, and its time when it is done."""
    began = time.monotonic()
    with console.status(text):
        yield
    console.print(f"  {text}  [dim]{time.monotonic() - began:.1f} s[/dim]")


def progress() -> Progress:
    """Two bars that stay on the screen."""
    columns = (TextColumn("  {task.description:<15}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
