"""The proof vectors of transparency-dev/merkle (tests/vectors/merkle), every one, with two differences of opinion."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import BadProof
from schemas.log import merkle

VECTORS = Path(__file__).parents[3] / "vectors" / "merkle"

# Difference 1, lengths: these four vectors accept roots that are the text "don't care N", because the reference
# compares roots without looking at their length. Here a hash is 32 bytes. With a hash in place of each text we agree.
TEXT_FOR_ROOT = {
    "consistency": {"additional/sizes-are-equal-one-and-proof-is-empty"},
    "subtreeconsistency": {
        "additional/sizes-are-equal-one-and-proof-is-empty",
        "additional/subtree-is-empty-sizes-are-equal-one-subtree-root-valid-tree-root-random-proof-is-empty",
        "additional/subtree-is-empty-sizes-are-equal-zero-subtree-root-valid-tree-root-random-proof-is-empty",
    },
}

# Difference 2, the empty old tree: the reference calls consistency from size 0 to another size an error. C2SP
# tlog-witness demands that it succeed by an empty proof, and so it does here. The vector has a text for its new root.
EMPTY_OLD_TREE = "additional/size1-is-zero-and-size2-is-not-zero"


def load(folder: str) -> dict[str, dict[str, Any]]:
    vectors = json.loads((VECTORS / f"{folder}.json").read_text("ascii"))
    return {vector["name"]: vector for vector in vectors}


def proof(vector: dict[str, Any]) -> list[bytes]:
    return [b64decode(line) for line in vector["proof"] or []]


def check_inclusion(v: dict[str, Any]) -> None:
    merkle.verify_inclusion(b64decode(v["leafHash"]), v["leafIdx"], v["treeSize"], proof(v), b64decode(v["root"]))


def check_consistency(v: dict[str, Any]) -> None:
    merkle.verify_consistency(v["size1"], b64decode(v["root1"]), v["size2"], b64decode(v["root2"]), proof(v))


def check_subtree_inclusion(v: dict[str, Any]) -> None:
    leaf, root = b64decode(v["leafHash"]), b64decode(v["root"])
    merkle.verify_subtree_inclusion(leaf, v["leafIdx"], proof(v), root, start=v["start"], end=v["end"])


def check_subtree_consistency(v: dict[str, Any]) -> None:
    small, large = b64decode(v["root1"]), b64decode(v["root2"])
    merkle.verify_subtree_consistency(small, large, proof(v), start=v["start"], end=v["end"], size=v["size"])


FOLDERS: dict[str, tuple[Callable[[dict[str, Any]], None], int]] = {
    "inclusion": (check_inclusion, 98),
    "consistency": (check_consistency, 98),
    "subtreeinclusion": (check_subtree_inclusion, 204),
    "subtreeconsistency": (check_subtree_consistency, 118),
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_vector_has_the_published_verdict(folder: str) -> None:
    check, count = FOLDERS[folder]
    vectors = load(folder)
    assert len(vectors) == count
    accepted = set()
    for name, vector in vectors.items():
        try:
            check(vector)
        except BadProof:
            continue
        accepted.add(name)
    published = {name for name, vector in vectors.items() if not vector["wantErr"]}
    assert published - accepted == TEXT_FOR_ROOT.get(folder, set())
    assert accepted <= published


def with_whole_roots(vector: dict[str, Any]) -> dict[str, Any]:
    """The vector with one and the same hash in place of each root that is a text."""
    whole = dict(vector)
    for field in ("root1", "root2"):
        root = b64decode(vector[field])
        if len(root) != merkle.HASH_SIZE:
            assert root.startswith(b"don't care ")
            whole[field] = b64encode(sha256(b"any root").digest()).decode("ascii")
    return whole


@pytest.mark.parametrize(
    ("folder", "name"), [(folder, name) for folder, names in TEXT_FOR_ROOT.items() for name in sorted(names)]
)
def test_difference_1_a_root_is_32_bytes(folder: str, name: str) -> None:
    check, _ = FOLDERS[folder]
    vector = load(folder)[name]
    with pytest.raises(BadProof, match="32 bytes"):
        check(vector)
    check(with_whole_roots(vector))


def test_difference_2_an_empty_old_tree_is_consistent_with_every_tree() -> None:
    vector = load("consistency")[EMPTY_OLD_TREE]
    assert vector["wantErr"]
    assert b64decode(vector["root1"]) == merkle.EMPTY_ROOT
    check_consistency(with_whole_roots(vector))
