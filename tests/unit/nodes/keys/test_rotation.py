from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.keys.rotation import (
    DAY_MS,
    KINDS,
    OVERLAP_MS,
    REMEMBER_MS,
    Held,
    Kind,
    check_holds,
    held_keys,
    is_staged,
    newest_valid,
    replaced,
    retired,
    rotated,
)
from nodes.keystore import Seeds, fresh_seeds, with_fresh
from schemas.directory.agency_keys import AgencyKeys, WitnessRecord, encode_agency_keys, parse_agency_keys
from schemas.errors import KeyNotValid, UnknownKey
from schemas.limits import CLOCK_SKEW_MS
from tests.support.directory import NOW, record
from tests.support.envelope import counting_random

ME = "sg-cnb"


def public(name: str, size: int = 32) -> bytes:
    """A stand-in for a public key: rotation never looks into one."""
    return (sha256(name.encode()).digest() * 41)[:size]


def keys_held(*, signing: int = 1, sealing: int = 1, tls: int = 1, witness: int = 1) -> Held:
    return Held(
        ME,
        tuple(public(f"signing {n}") for n in range(signing)),
        tuple(public(f"sealing {n}", 1216) for n in range(sealing)),
        tuple(public(f"tls {n}") for n in range(max(0, tls - 2), tls)),
        (
            WitnessRecord("ed25519", public(f"witness {witness}")),
            WitnessRecord("ml-dsa-44", public(f"pq {witness}", 1312)),
        ),
    )


@pytest.fixture
def listed() -> AgencyKeys:
    held = keys_held()
    return AgencyKeys(ME, (record(held.signing[0]),), (record(held.sealing[0]),), held.tls, held.witness)


def test_a_rotation_lets_the_old_key_end_after_the_overlap(listed: AgencyKeys) -> None:
    held = keys_held(sealing=2)
    changed = rotated(listed, ["sealing"], held, now=NOW)
    old, new = changed.sealing
    assert (old.public, old.status, old.not_after) == (held.sealing[0], "active", (NOW + OVERLAP_MS) // 1000 * 1000)
    assert new.public == held.sealing[1]
    assert new.valid(NOW - CLOCK_SKEW_MS + 1000)
    assert newest_valid(changed.sealing, NOW, "sealing") is new
    assert (changed.signing, changed.tls, changed.witness) == (listed.signing, listed.tls, listed.witness)


def test_the_next_rotation_marks_what_ended_and_forgets_it_at_last(listed: AgencyKeys) -> None:
    first = rotated(listed, ["signing"], keys_held(signing=2), now=NOW)
    later = NOW + OVERLAP_MS + DAY_MS
    second = rotated(first, ["signing"], keys_held(signing=3), now=later)
    assert [r.status for r in second.signing] == ["retired", "active", "active"]
    third = rotated(second, ["signing"], keys_held(signing=4), now=later + REMEMBER_MS)
    assert public("signing 0") not in {r.public for r in third.signing}


def test_keys_made_in_the_same_second_keep_their_order(listed: AgencyKeys) -> None:
    document = listed
    for count in range(2, 12):
        held = keys_held(sealing=count)
        document = rotated(document, ["sealing"], held, now=NOW)
        assert newest_valid(document.sealing, NOW, "sealing").public == held.newest("sealing")


def test_the_certificate_in_use_stays_beside_the_next_and_no_other(listed: AgencyKeys) -> None:
    both = rotated(listed, ["tls"], keys_held(tls=2), now=NOW)
    assert both.tls == (public("tls 0"), public("tls 1"))
    assert rotated(both, ["tls"], keys_held(tls=3), now=NOW).tls == (public("tls 1"), public("tls 2"))


def test_one_old_witness_key_of_each_type_stays(listed: AgencyKeys) -> None:
    first = rotated(listed, ["witness"], keys_held(witness=2), now=NOW)
    assert first.witness == (*keys_held(witness=1).witness, *keys_held(witness=2).witness)
    second = rotated(first, ["witness"], keys_held(witness=3), now=NOW)
    assert second.witness == (*keys_held(witness=2).witness, *keys_held(witness=3).witness)
    assert retired(second, ["witness"], keys_held(witness=3), now=NOW).witness == keys_held(witness=3).witness


def test_retiring_ends_every_overlap(listed: AgencyKeys) -> None:
    held = keys_held(signing=2, sealing=2, tls=1)
    overlapping = rotated(listed, ["signing", "sealing"], held, now=NOW)
    ended = retired(overlapping, KINDS, held, now=NOW)
    assert [r.status for r in ended.signing] == [r.status for r in ended.sealing] == ["retired", "active"]
    assert ended.tls == held.tls


def test_nothing_valid_cannot_be_retired(listed: AgencyKeys) -> None:
    with pytest.raises(KeyNotValid):
        retired(listed, ["signing"], keys_held(), now=NOW + 3000 * DAY_MS)


def test_a_replacement_leaves_no_other_key_good(listed: AgencyKeys) -> None:
    held = keys_held(signing=2, sealing=2, tls=2, witness=2)
    changed = replaced(listed, KINDS, held, now=NOW)
    assert [r.status for r in changed.signing] == [r.status for r in changed.sealing] == ["retired", "active"]
    assert changed.tls == held.tls[-1:]
    assert changed.witness == held.witness
    assert parse_agency_keys(encode_agency_keys(changed), ME) == changed


def test_a_new_home_lists_what_it_holds(listed: AgencyKeys) -> None:
    held = keys_held(signing=2, sealing=2)
    changed = replaced(None, [], held, now=NOW)
    assert [r.public for r in changed.signing] == [held.newest("signing")]
    assert [r.public for r in changed.sealing] == [held.newest("sealing")]
    assert (changed.tls, changed.witness) == (held.tls, held.witness)
    check_holds(changed, held, now=NOW)


@pytest.mark.parametrize("kind", ["signing", "sealing"])
def test_a_document_with_a_key_that_is_not_held_is_refused(listed: AgencyKeys, kind: str) -> None:
    ahead = rotated(listed, KINDS, keys_held(signing=2, sealing=2), now=NOW)
    held = keys_held(signing=1 if kind == "signing" else 2, sealing=1 if kind == "sealing" else 2)
    with pytest.raises(UnknownKey, match=f"newest {kind} key"):
        check_holds(ahead, held, now=NOW)


def test_a_document_that_locks_the_node_out_is_refused(listed: AgencyKeys) -> None:
    with pytest.raises(UnknownKey, match="lock it out"):
        check_holds(replace(listed, tls=(public("another"),)), keys_held(), now=NOW)


def test_a_document_without_a_valid_key_is_refused(listed: AgencyKeys) -> None:
    with pytest.raises(KeyNotValid):
        check_holds(replace(listed, sealing=()), keys_held(), now=NOW)


def test_what_is_held_and_not_listed_is_staged(listed: AgencyKeys) -> None:
    for kind in KINDS:
        assert not is_staged(kind, keys_held(), listed)
        assert is_staged(kind, keys_held(signing=2, sealing=2, tls=2, witness=2), listed)
    older = rotated(listed, ["sealing"], keys_held(sealing=2), now=NOW)
    assert not is_staged("sealing", keys_held(sealing=1), older)  # a keystore from before: it needs a new key


def test_the_public_side_of_a_keystore() -> None:
    random = counting_random(ME)
    seeds = with_fresh(fresh_seeds(ME, random), ["signing", "witness"], random)
    held = held_keys(seeds, [public("tls 0")])
    assert (len(held.signing), len(held.sealing), len(held.witness)) == (2, 1, 2)
    assert [w.type for w in held.witness] == ["ed25519", "ml-dsa-44"]
    assert len(set(held.signing)) == 2


def test_a_full_keystore_lets_go_of_its_oldest_key() -> None:
    random = counting_random(ME)
    seeds: Seeds = fresh_seeds(ME, random)
    first = seeds.sealing[0]
    for _ in range(64):
        seeds = with_fresh(seeds, ["sealing"], random)
    assert len(seeds.sealing) == 64
    assert first not in seeds.sealing


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["rotate", "retire", "replace"]),
        st.lists(st.sampled_from(KINDS), min_size=1, max_size=4, unique=True),
        st.integers(0, 40 * DAY_MS),
        st.integers(0, 30 * DAY_MS),
    ),
    max_size=12,
)


@given(STEPS)
def test_whatever_is_done_in_whatever_order_the_node_holds_what_partners_use(
    steps: list[tuple[str, list[Kind], int, int]],
) -> None:
    counts = {"signing": 1, "sealing": 1, "tls": 1, "witness": 1}
    held = keys_held(**counts)
    document = AgencyKeys(ME, (record(held.signing[0]),), (record(held.sealing[0]),), held.tls, held.witness)
    now = NOW
    for act, kinds, pause, overlap in steps:
        now += pause
        before = document
        if act == "retire":
            document = retired(document, kinds, held, now=now)
        else:
            for kind in kinds:
                counts[kind] += 1
            held = keys_held(**counts)
            if act == "rotate":
                document = rotated(document, kinds, held, now=now, overlap=overlap)
            else:
                document = replaced(document, kinds, held, now=now)
        check_holds(document, held, now=now)
        assert parse_agency_keys(encode_agency_keys(document), ME) == document
        if act == "rotate" and "sealing" in kinds and overlap >= 2_000:
            was = newest_valid(before.sealing, now, "sealing")
            assert next(r for r in document.sealing if r.public == was.public).valid(now)
