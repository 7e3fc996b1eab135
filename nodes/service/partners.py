"""The directory in force, as officers need it: who can be addressed, and which rules decide."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from schemas.routing.requests import request_to_json
from schemas.routing.rules import rule_to_json

if TYPE_CHECKING:
    from schemas.directory.documents import Agency, Operation
    from schemas.directory.state import Directory
    from schemas.routing.rules import Rule

__all__ = ["directory_view"]


def directory_view(directory: Directory) -> dict[str, Any]:
    """The directory as JSON-ready data, sorted by id; times in ms."""
    document = directory.require_document()
    return {
        "version": directory.version,
        "name": document.name,
        "agencies": [_agency(document.agencies[agency]) for agency in sorted(document.agencies)],
        "regions": [asdict(document.regions[region]) for region in sorted(document.regions)],
        "operations": [_operation(document.operations[operation]) for operation in sorted(document.operations)],
        "rules": [_rule(rule) for rule in sorted(document.rules, key=lambda rule: rule.id)],
        "requests": [
            {"agency": agency, **request_to_json(request)}
            for agency, published in sorted(directory.keys.items())
            for request in sorted(published.requests, key=lambda request: request.id)
        ],
    }


def _agency(agency: Agency) -> dict[str, Any]:
    return {**asdict(agency), "regions": list(agency.regions)}


def _operation(operation: Operation) -> dict[str, Any]:
    participants = None if operation.participants is None else list(operation.participants)
    return {**asdict(operation), "participants": participants}


def _rule(rule: Rule) -> dict[str, Any]:
    """A rule with what it leaves open left out, but for the fields that one effect alone has."""
    return {"ceiling": None, "hub": None, **rule_to_json(rule)}
