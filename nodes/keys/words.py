"""What `bearing keys` says: how keys stand, what a document holds, what cannot be brought back, what is left to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodes.officer.screen import Screen
from nodes.officer.when import iso

if TYPE_CHECKING:
    from nodes.keys.ceremony import Ceremony, Listed
    from nodes.keys.request import Request
    from nodes.keys.rotation import Held, Kind


def losses(ceremony: Ceremony, kinds: Sequence[Kind], held: Held, listed: Listed) -> list[str]:
    """What a replacement cannot bring back, in words."""
    said = []
    lost = ceremony.lost(held, listed.document)
    if "sealing" in kinds and (lost or listed.document is None):
        named = f" ({', '.join(lost)})" if lost else ""
        said.append(
            f"Nobody can open what was sealed for the lost key{named} and not opened here before. Each sender of such "
            "an alert gets a signed refusal from this node and can send it again."
        )
    elif "sealing" in kinds:
        said.append("The replaced sealing key is still held here and goes on opening what was sealed for it.")
    if "signing" in kinds:
        said.append("What the old signing key signed until now stays valid; nothing it signs from now on is.")
    if "tls" in kinds:
        said.append("The hub knows this node again when the document is in force and the new certificate is in use.")
    if "witness" in kinds:
        said.append("Cosignatures made by the old witness key stay valid; ask for new ones where a quorum needs them.")
    if listed.document is None:
        said.append("Alerts and receipts that only the old home held are gone; partners and the log still hold theirs.")
    return said


def by_hand(request: Request, path: Path) -> str:
    """What to do with a signed document that this node cannot bring to the hub."""
    return f"Give the signed file to the hub's operator: bearing-broker publish DATA --bundle {path} {request.agency}"


def published_words(answer: dict[str, Any]) -> str:
    """That a document is in force."""
    if answer["directory"] is None:
        return f"The hub accepted version {answer['version']}; it has not come back to this node yet."
    return f"In force: version {answer['version']} of the agency's keys, directory version {answer['directory']}."


def facts(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Labels and values above the table of keys."""
    who = answer["administrators"]
    signers = "nobody is named" if who is None else f"{who['threshold']} of {', '.join(who['names'])}"
    ends = f", good until {iso(answer['expires'])[:10]}" if answer["expires"] else ""
    certificate = answer["certificate"]
    problem = f": {certificate['problem']}" if certificate["problem"] else ""
    return [
        ("Document", f"version {answer['version']}{ends}" if answer["version"] else "none in force"),
        ("Signed by", signers),
        ("Certificate", f"{certificate['state']}{problem}"),
        *([("Dropped", answer["dropped"])] if answer["dropped"] else []),
    ]


def show_request(screen: Screen, request: Request) -> None:
    """Show what an administrator is asked to sign."""
    screen.note(f"Keys of {request.agency}, version {request.version}, good until {iso(request.expires)[:10]}:")
    for kind, records in (("signing", request.keys.signing), ("sealing", request.keys.sealing)):
        for record in records:
            dates = f"{iso(record.not_before)[:10]} to {iso(record.not_after)[:10]}"
            screen.note(f"  {kind} {record.key_id.hex()} {record.status}, {dates}")
    for pin in request.keys.tls:
        screen.note(f"  tls {pin.hex()[:16]}")
    for witness in request.keys.witness:
        screen.note(f"  witness {witness.type}")
    for contact in request.keys.contacts:
        screen.note(f"  contact {contact.id}: {contact.url}, key {contact.pin.hex()[:16]}")
