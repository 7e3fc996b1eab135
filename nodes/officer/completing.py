"""What the Tab key offers: ids of alerts, agencies, operations, templates; nothing when the node is away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem

from nodes.officer.settings import Settings
from nodes.officer.visible import visible
from schemas.errors import CrossbearingError

OFFERED = 50
"""Ids offered at most: more cannot be read in a terminal."""


def alert_ids(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Short ids of recent alerts, each with its title."""
    try:
        node = context.ensure_object(Settings).node()
        alerts = [*node.inbox(limit=OFFERED)["alerts"], *node.sent(limit=OFFERED)["alerts"]]
    except CrossbearingError:
        return []
    return [
        CompletionItem(alert["short"], help=visible(f"{alert['sender']}: {alert['title']}"))
        for alert in alerts
        if alert["short"].startswith(incomplete)
    ]


def complete_agencies(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of agencies."""
    return _items(_directory(context).get("agencies", ()), incomplete)


def complete_operations(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of operations."""
    return _items(_directory(context).get("operations", ()), incomplete)


def complete_addresses(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Everything an alert can be addressed to."""
    found = _directory(context)
    return [
        *_items(found.get("agencies", ()), incomplete),
        *_items(found.get("regions", ()), incomplete, "region:"),
        *_items(found.get("operations", ()), incomplete, "operation:"),
        *_items([{"id": "all", "name": "every agency"}], incomplete),
    ]


def complete_templates(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of templates."""
    from nodes.officer.forms import forms

    return [CompletionItem(name) for name in forms() if name.startswith(incomplete)]


def _directory(context: click.Context) -> dict[str, Any]:
    try:
        return context.ensure_object(Settings).node().directory()
    except CrossbearingError:
        return {}


def _items(known: Iterable[dict[str, Any]], incomplete: str, prefix: str = "") -> list[CompletionItem]:
    found = ((prefix + entry["id"], entry.get("name")) for entry in known)
    return [CompletionItem(value, help=visible(name or "")) for value, name in found if value.startswith(incomplete)]
