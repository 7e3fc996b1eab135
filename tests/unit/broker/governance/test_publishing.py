"""Whole ceremonies: drafted from the source file, signed by governors one by one, published."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from broker.governance.folder import collect, open_draft
from broker.governance.publishing import publish
from broker.governance.repository import bundles, open_repository, replay
from broker.governance.signing import check_met, demands
from schemas.directory.governed import governed_by
from schemas.directory.metadata import decode_bundle
from schemas.errors import (
    DirectoryConflict,
    DirectoryExpired,
    DirectoryInvalid,
    DirectoryLockout,
    DirectoryRollback,
    DirectoryThreshold,
    UnknownAgency,
    UnknownKey,
)
from schemas.keys import SigningKey
from tests.support.ceremony import Secretariat, named, sentences
from tests.support.directory import DAY_MS, GOVERNORS, NOW, record, signer

SUSPEND = ("id: sg-cnb\n  name: Agency sg-cnb\n  country: SG\n  timezone: UTC\n  regions: [asia]\n  status: active",)
SUSPENDED = SUSPEND[0].replace("active", "suspended")


def suspend(secretariat: Secretariat) -> str:
    return secretariat.source().replace(SUSPEND[0], SUSPENDED)


def replace_governor(text: str, old: str, new: str) -> str:
    return text.replace(named(old).key, named(new).key)


def replace_administrators(text: str) -> str:
    for number in (1, 2):
        old, new = (named(f"sg-cnb/administrator-{n}").key for n in (number, number + 2))
        text = text.replace(old, new)
    return text


# -- changes -----------------------------------------------------------------------------------------------------------


def test_an_agency_is_suspended_and_reinstated(secretariat: Secretariat) -> None:
    said = secretariat.change(SUSPEND[0], SUSPENDED)
    assert said == ["Agency sg-cnb is suspended: its connection closes and its mail is held."]
    assert not secretariat.held.is_active("sg-cnb")
    said = secretariat.change(SUSPENDED, SUSPEND[0])
    assert said == ["Agency sg-cnb is reinstated: mail held for it is delivered."]
    assert secretariat.held.is_active("sg-cnb")
    assert secretariat.held.versions()["targets"] == 3


def test_an_agency_is_added_with_its_keys_and_removed(secretariat: Secretariat) -> None:
    keys = replace(secretariat.world.keys["sg-cnb"], agency="nz-customs")
    fresh = record(SigningKey(bytes(32)).public)
    keys = replace(keys, signing=(fresh,), sealing=(), tls=())
    new = (
        "agencies:\n- id: nz-customs\n  name: New Zealand\n  country: NZ\n  timezone: Pacific/Auckland\n"
        "  regions: [asia]\n  status: active\n  administrators: {threshold: 1, keys: [{name: NZ administrator, key: '"
        + named("nz-customs/administrator-1").key
        + "'}]}\n"
    )
    signers = [*GOVERNORS[:3], "nz-customs/administrator-1"]
    without = secretariat.source()
    said = secretariat.change("agencies:\n", new, keys=[keys], signers=signers)
    assert said[0] == "Agency nz-customs joins: New Zealand, in asia."
    assert said[1] == "The keys of nz-customs are signed by 1 of 1: NZ administrator."
    assert secretariat.held.keys["nz-customs"] == keys

    said = secretariat.change(secretariat.source(), without)
    assert said == ["Agency nz-customs is removed (New Zealand): it can neither send nor receive any more."]
    assert "nz-customs" not in secretariat.held.keys
    secretariat.change("agencies:\n", new, keys=[keys], signers=signers)
    assert secretariat.held.versions()["nz-customs"] == 2, "a version number is never used twice"


def test_an_operation_is_opened_and_closed(secretariat: Secretariat) -> None:
    new = (
        "operations:\n- {id: gale, name: Gale, host: sg-cnb, starts: 2026-10-01, ends: 2026-10-31, participants: all}\n"
    )
    said = secretariat.change("operations:\n", new)
    assert said == ["Operation gale opens: Gale, from 2026-10-01 to 2026-10-31, hosted by sg-cnb, for every agency."]
    assert "gale" in (secretariat.held.require_document().operations)
    gale = next(line for line in secretariat.source().splitlines(keepends=True) if "gale" in line)
    assert secretariat.change(gale, "") == ["Operation gale is closed: nothing can be sent under it any more."]


def test_governors_are_replaced_by_the_old_and_the_new(secretariat: Secretariat) -> None:
    text = replace_governor(secretariat.source(), "governor-1", "governor-6")
    text = replace_governor(text, "governor-2", "governor-7")
    opened = secretariat.draft(text)
    assert len([s for s in sentences(opened) if "has a new key" in s]) == 2
    assert [d.who for d in demands(opened.draft, opened.held, {})] == ["governors so far", "new governors", "governors"]
    opened = secretariat.signed(opened, "governor-1", "governor-2", "governor-3")
    with pytest.raises(DirectoryThreshold, match=r"new governors, 3 of 5: signed by .*; 2 more of"):
        secretariat.publish(opened)
    opened = secretariat.signed(opened, "governor-6", "governor-7")
    secretariat.publish(opened)
    files = open_repository(secretariat.repository)
    assert files["1.root.json"] == secretariat.world.trusted_root
    assert secretariat.held.versions() | {} == {**secretariat.held.versions(), "root": 2, "targets": 2}
    refused = secretariat.draft(suspend(secretariat))
    with pytest.raises(UnknownKey):
        secretariat.signed(refused, "governor-1")
    with pytest.raises(DirectoryThreshold):
        secretariat.publish(secretariat.signed(refused, "governor-3", "governor-4"))


def test_a_root_signed_by_the_new_governors_alone_is_refused(secretariat: Secretariat) -> None:
    text = secretariat.source()
    for old, new in zip(
        GOVERNORS, ("governor-6", "governor-7", "governor-8", "governor-9", "governor-10"), strict=True
    ):
        text = replace_governor(text, old, new)
    opened = secretariat.signed(secretariat.draft(text), "governor-6", "governor-7", "governor-8")
    with pytest.raises(DirectoryThreshold, match="governors so far, 3 of 5: signed by nobody; 3 more"):
        secretariat.publish(opened)
    assert secretariat.held.versions()["root"] == 1


def test_a_lost_key_is_replaced_by_the_other_governors(secretariat: Secretariat) -> None:
    text = replace_governor(secretariat.source(), "governor-5", "governor-6")
    opened = secretariat.signed(secretariat.draft(text), "governor-1", "governor-2", "governor-3")
    secretariat.publish(opened)
    assert named("governor-6").key in {m.key for m in governed_by(secretariat.held).root.signatories}


def test_new_administrators_sign_the_agencys_keys_again(secretariat: Secretariat) -> None:
    text = secretariat.source()
    for number in (1, 2):
        text = text.replace(
            named(f"sg-cnb/administrator-{number}").key, named(f"sg-cnb/administrator-{number + 2}").key
        )
    opened = secretariat.signed(secretariat.draft(text), *GOVERNORS[:3])
    assert [part.role for part in opened.draft.parts] == ["targets", "sg-cnb"]
    with pytest.raises(DirectoryThreshold, match="sg-cnb: administrators, 1 of 2: signed by nobody"):
        secretariat.publish(opened)
    secretariat.publish(secretariat.signed(opened, "sg-cnb/administrator-3"))
    assert secretariat.held.keys["sg-cnb"] == secretariat.world.keys["sg-cnb"]


def test_an_agency_can_be_cut_off_from_its_old_keys(secretariat: Secretariat) -> None:
    text = secretariat.source()
    for number in (1, 2):
        text = text.replace(
            named(f"sg-cnb/administrator-{number}").key, named(f"sg-cnb/administrator-{number + 2}").key
        )
    opened = secretariat.signed(secretariat.draft(text, cut_off=["sg-cnb"]), *GOVERNORS[:3])
    assert "The keys of sg-cnb stop counting until its administrators sign them anew: it is cut off." in sentences(
        opened
    )
    secretariat.publish(opened)
    assert "sg-cnb" not in secretariat.held.keys
    assert "sg-cnb" not in replay(open_repository(secretariat.repository)).keys  # type: ignore[union-attr]  # published


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_too_few_signatures_are_named(secretariat: Secretariat) -> None:
    opened = secretariat.signed(secretariat.draft(suspend(secretariat)), "governor-1", "governor-1", "governor-4")
    with pytest.raises(DirectoryThreshold) as refused:
        secretariat.publish(opened)
    names = [m.name for m in governed_by(secretariat.held).governors.signatories]
    signed, missing = (names[0], names[3]), (names[1], names[2], names[4])
    assert f"signed by {signed[0]}, {signed[1]}; 1 more of {', '.join(missing)}" in refused.value.message
    assert secretariat.held.versions()["targets"] == 1
    check_met(demands(opened.draft, opened.held, secretariat.signed(opened, "governor-2").signatures))


def test_a_foreign_key_signs_nothing(secretariat: Secretariat) -> None:
    opened = secretariat.draft(suspend(secretariat))
    for foreign in ("governor-9", "sg-cnb/administrator-1"):
        with pytest.raises(UnknownKey, match="may sign nothing of this draft"):
            secretariat.signed(opened, foreign)


def test_an_agencys_keys_under_anothers_signature(secretariat: Secretariat) -> None:
    opened = secretariat.draft(secretariat.source(), keys=[secretariat.world.keys["sg-cnb"]])
    with pytest.raises(UnknownKey):
        secretariat.signed(opened, "au-abf/administrator-1")


def test_keys_of_another_agency_are_refused_when_published(secretariat: Secretariat) -> None:
    theirs = replace(secretariat.world.keys["sg-cnb"], agency="au-abf")
    opened = secretariat.draft(secretariat.source(), keys=[theirs])
    with pytest.raises(DirectoryInvalid, match="is listed for both"):
        secretariat.publish(secretariat.signed(opened, "au-abf/administrator-1"))


def test_keys_for_an_agency_that_is_not_there(secretariat: Secretariat) -> None:
    keys = replace(secretariat.world.keys["sg-cnb"], agency="nz-customs")
    with pytest.raises(UnknownAgency):
        secretariat.draft(secretariat.source(), keys=[keys])


def test_a_date_that_has_passed(secretariat: Secretariat) -> None:
    text = secretariat.source().replace("document: '2036-01-01'", "document: '2026-01-01'")
    with pytest.raises(DirectoryExpired, match="expired from the start"):
        secretariat.draft(text)


def test_signatures_that_have_expired_before_they_are_published(secretariat: Secretariat) -> None:
    text = secretariat.source().replace("document: '2036-01-01'", "document: '2026-10-01'")
    opened = secretariat.signed(secretariat.draft(text), *GOVERNORS[:3])
    secretariat.now = NOW + 30 * DAY_MS
    with pytest.raises(DirectoryExpired):
        secretariat.publish(opened)


def test_a_draft_against_an_older_version_is_refused(secretariat: Secretariat) -> None:
    late = secretariat.draft(secretariat.source().replace("name: Test directory", "name: Late"))
    secretariat.change(SUSPEND[0], SUSPENDED)
    with pytest.raises(DirectoryRollback, match="changed since the draft"):
        secretariat.publish(secretariat.signed(late, "governor-1", "governor-2"))


def test_two_files_under_one_version_are_kept_as_evidence(secretariat: Secretariat) -> None:
    late = secretariat.draft(secretariat.source().replace("name: Test directory", "name: Late"))
    secretariat.change(SUSPEND[0], SUSPENDED)
    with pytest.raises(DirectoryConflict, match="two different files signed as targets version 2"):
        secretariat.publish(secretariat.signed(late, *GOVERNORS[2:]))
    kept = sorted((secretariat.repository / "evidence" / "targets-2").glob("*.target.json"))
    assert len(kept) == 2
    assert sorted(b"Late" in path.read_bytes() for path in kept) == [False, True]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "id: auditor-1\n  name: First auditor\n  tls: [",
            "id: auditor-1\n  name: First auditor\n  tls: [] #",
            "no auditor",
        ),
        ("id: broker\n  tls: [", "id: broker\n  tls: [] #", "no hub would be left"),
        ("id: broker\n  tls: [7", "id: broker\n  tls: [8", "every hub's certificate would be dropped"),
    ],
)
def test_a_directory_that_locks_everybody_out(secretariat: Secretariat, old: str, new: str, reason: str) -> None:
    text = secretariat.source()
    assert old in text
    opened = secretariat.signed(secretariat.draft(text.replace(old, new)), *GOVERNORS[:3])
    with pytest.raises(DirectoryLockout, match=reason):
        secretariat.publish(opened)
    assert secretariat.held.versions()["targets"] == 1


def test_suspending_all_who_have_keys_locks_out(secretariat: Secretariat) -> None:
    secretariat.now = NOW + 1_000 * DAY_MS  # every agency's keys have run out by then
    opened = secretariat.signed(secretariat.draft(suspend(secretariat)), *GOVERNORS[:3])
    with pytest.raises(DirectoryLockout, match="no active agency would have keys"):
        secretariat.publish(opened)


# -- folders carried between governors ---------------------------------------------------------------------------------


def test_signatures_come_back_in_copies(secretariat: Secretariat, tmp_path: Path) -> None:
    import shutil

    opened = secretariat.draft(suspend(secretariat))
    for number, name in enumerate(GOVERNORS[:3]):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(opened.folder, copy)
        assert collect(open_draft(opened.folder), secretariat.signed(open_draft(copy), name)) == 1
    assert collect(open_draft(opened.folder), open_draft(tmp_path / "copy-0")) == 0
    secretariat.publish(open_draft(opened.folder))
    assert not secretariat.held.is_active("sg-cnb")


# -- interruptions -----------------------------------------------------------------------------------------------------


def count_steps(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> int:
    """How many times `act` makes something durable or moves a file."""
    steps = 0
    rename, fsync = Path.rename, os.fsync

    def counted_rename(self: Path, target: str | os.PathLike[str]) -> Path:
        nonlocal steps
        steps += 1
        return rename(self, target)

    def counted_fsync(handle: int) -> None:
        nonlocal steps
        steps += 1
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", counted_rename)
        patch.setattr(os, "fsync", counted_fsync)
        act()
    return steps


def killed_at(step: int, act: Callable[[], object]) -> None:
    """Run `act` in a child process that is killed right before its `step`-th such action."""
    child = os.fork()
    if child == 0:
        left = step
        rename, fsync = Path.rename, os.fsync

        def tick() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        def killing_rename(self: Path, target: str | os.PathLike[str]) -> Path:
            tick()
            return rename(self, target)

        def killing_fsync(handle: int) -> None:
            tick()
            fsync(handle)

        Path.rename = killing_rename  # type: ignore[method-assign, assignment]  # in the child alone, which ends here
        os.fsync = killing_fsync  # type: ignore[assignment]  # in the child alone
        try:
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the child was to be killed"


def test_killed_at_every_step_and_published_again(secretariat: Secretariat, monkeypatch: pytest.MonkeyPatch) -> None:
    text = replace_governor(suspend(secretariat), "governor-5", "governor-6")
    opened = secretariat.signed(secretariat.draft(text), *GOVERNORS[:3])
    before = open_repository(secretariat.repository)
    trial = Secretariat(secretariat.world, secretariat.folder / "trial")
    steps = count_steps(monkeypatch, lambda: publish(opened, trial.repository, now=NOW))
    expected = open_repository(trial.repository)
    for path in opened.folder.glob("signed/*"):
        path.unlink()
    assert steps > 20
    for step in range(1, steps + 1):
        place = Secretariat(secretariat.world, secretariat.folder / f"killed-{step}")
        killed_at(step, lambda place=place: publish(opened, place.repository, now=NOW))  # type: ignore[misc]
        assert open_repository(place.repository) in (before, expected), f"half a version after step {step}"
        publish(opened, place.repository, now=NOW)
        assert open_repository(place.repository) == expected
        for path in opened.folder.glob("signed/*"):
            path.unlink()


def test_publishing_again_changes_nothing_and_tells_the_hub_the_same(secretariat: Secretariat) -> None:
    told: list[list[bytes]] = []
    opened = secretariat.signed(secretariat.draft(suspend(secretariat)), *GOVERNORS[:3])
    for _ in range(2):
        secretariat.publish(opened, hand_over=lambda found: told.append([f.bundle for f in found]))
        opened = secretariat.signed(opened, "governor-4")  # a late signature changes no published byte
    assert told[0] == told[1]
    assert told[0] == [found.bundle for found in bundles(open_repository(secretariat.repository))]
    assert len(decode_bundle(told[0][1]).metadata) > 0


def test_a_hub_that_refuses_leaves_the_repository_alone(secretariat: Secretariat) -> None:
    def refuse(_: object) -> None:
        raise DirectoryLockout("the directory does not list this hub's own certificate")

    opened = secretariat.signed(secretariat.draft(suspend(secretariat)), *GOVERNORS[:3])
    before = open_repository(secretariat.repository)
    with pytest.raises(DirectoryLockout):
        secretariat.publish(opened, hand_over=refuse)
    assert open_repository(secretariat.repository) == before
    assert signer("governor-1").public_key.keyid in opened.signatures["targets"]
