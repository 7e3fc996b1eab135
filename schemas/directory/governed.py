"""All that signatures decide, as one value to compare: who governs, until when, the document, every agency's keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.directory import metadata as signed
from schemas.directory.agency_keys import AgencyKeys
from schemas.directory.authority import Quorum, quorum_of
from schemas.directory.documents import DirectoryDocument
from schemas.directory.metadata import ROOT, TARGETS, Targets
from schemas.directory.state import Directory


@dataclass(frozen=True, slots=True)
class Governed:
    """What a directory says, whoever signed it. Times are in ms."""

    root: Quorum
    """Who signs a new root."""
    governors: Quorum
    """Who signs the document."""
    root_expires: int
    document: DirectoryDocument | None = None
    document_expires: int | None = None
    administrators: Mapping[str, Quorum] = field(default_factory=dict)
    keys: Mapping[str, AgencyKeys] = field(default_factory=dict)
    """Those that count: signed by the administrators named."""


def governed_by(directory: Directory) -> Governed:
    """What the directory in force says."""
    root, targets = directory.root.signed, directory.targets
    return Governed(
        root=quorum_of(root, ROOT),
        governors=quorum_of(root, TARGETS),
        root_expires=signed.expiry(directory.root),
        document=directory.document,
        document_expires=signed.expiry(targets) if targets is not None else None,
        administrators=administrators_of(targets.signed) if targets is not None else {},
        keys=directory.keys,
    )


def administrators_of(targets: Targets) -> dict[str, Quorum]:
    """Who signs each agency's keys."""
    roles = (targets.delegations.roles if targets.delegations is not None else None) or {}
    return {agency: quorum_of(targets, agency) for agency in sorted(roles)}
