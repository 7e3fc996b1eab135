"""A secretariat for tests: a world's repository on disk, its source file as text, and governors who sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from securesystemslib.signer import Signer  # type: ignore[attr-defined]  # public, but no __all__ names it

from broker.governance.drafting import expected, make_draft
from broker.governance.folder import OpenDraft, add_signatures, open_draft, write_draft
from broker.governance.publishing import HandOver, Publication, publish
from broker.governance.repository import open_repository, replay, used_version
from broker.governance.signing import sign
from broker.governance.source import read_source
from broker.governance.source_text import source_text
from schemas.directory.agency_keys import AgencyKeys
from schemas.directory.authority import Signatory, public_key_text
from schemas.directory.differences import differences
from schemas.directory.governed import governed_by
from schemas.directory.history import Directory
from tests.support.directory import GOVERNORS, NOW, World, signer
from tests.support.hub import write_repository


def named(name: str) -> Signatory:
    """A signatory with the example key of that name."""
    return Signatory(name, public_key_text(signer(name).public_key))


@dataclass
class Secretariat:
    """Works on `repository`; drafts are made as numbered folders beside it."""

    world: World
    folder: Path
    now: int = NOW

    def __post_init__(self) -> None:
        self.repository = write_repository(self.world, self.folder / "repository")
        self._numbers = count(1)

    @property
    def held(self) -> Directory:
        """What the repository has in force."""
        held = replay(open_repository(self.repository))
        assert held is not None
        return held

    def source(self) -> str:
        """The source file for what is in force."""
        return source_text(governed_by(self.held), self.held.expires()["root"])

    def draft(
        self, source: str, *, keys: Sequence[AgencyKeys] = (), cut_off: Sequence[str] = (), now: int | None = None
    ) -> OpenDraft:
        """A draft folder for a source file's text."""
        in_force = open_repository(self.repository)
        draft = make_draft(
            read_source(source),
            replay(in_force),
            now=self.now if now is None else now,
            agency_keys=keys,
            cut_off=cut_off,
            used=lambda agency: used_version(in_force, agency),
        )
        folder = self.folder / f"draft-{next(self._numbers)}"
        write_draft(folder, draft, in_force)
        return open_draft(folder)

    def signed(self, opened: OpenDraft, *signers: str | Signer) -> OpenDraft:
        """The draft after these have signed."""
        for each in signers:
            holder = signer(each) if isinstance(each, str) else each
            add_signatures(opened, sign(opened.draft, opened.held, holder).items())
        return open_draft(opened.folder)

    def publish(self, opened: OpenDraft, *, hand_over: HandOver | None = None) -> Publication:
        """Bring the draft into force."""
        return publish(opened, self.repository, now=self.now, hand_over=hand_over)

    def change(self, old: str, new: str, *, keys: Sequence[AgencyKeys] = (), signers: Sequence[str] = ()) -> list[str]:
        """Replace a piece of the source file and bring that into force; what changed, in words."""
        text = self.source()
        assert old in text
        opened = self.signed(self.draft(text.replace(old, new), keys=keys), *(signers or GOVERNORS[:3]))
        self.publish(opened)
        return sentences(opened)


def sentences(opened: OpenDraft) -> list[str]:
    """What a draft changes, in words."""
    before = governed_by(opened.held) if opened.held is not None else None
    return differences(before, expected(opened.draft, opened.held))
