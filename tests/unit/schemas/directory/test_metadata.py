"""Signed metadata: strict reading, thresholds, one key counted once, and delegations that stay in their lane."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # public, but no __all__ names it

from schemas.codec import encode
from schemas.directory import metadata
from schemas.directory.metadata import Metadata, Targets
from schemas.errors import DirectoryExpired, DirectoryInvalid, DirectoryThreshold
from tests.support.directory import EXPIRES, GOVERNORS, make_world, root_metadata, root_payload, signer


def parts(role: str, **how: Any) -> metadata.Bundle:
    return metadata.decode_bundle(make_world(publish=False).bundle(role, **how).bundle)


def rewritten(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(data)
    change(value)
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        encode([b"only"]),
        encode([b"one", b"two", b"three"]),
        encode(["text", b""]),
        encode({"metadata": b""}),
        encode([b"x" * (1 << 20) + b"x", b""]),
        encode([b"", b""]) + b"\0",
    ],
)
def test_bundles_have_one_form(data: bytes) -> None:
    with pytest.raises(DirectoryInvalid):
        metadata.decode_bundle(data)


def test_bundle_round_trip() -> None:
    assert metadata.decode_bundle(metadata.encode_bundle(b"m", b"t")) == metadata.Bundle(b"m", b"t")


ROOT_DEFECTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "doubled key": (
        lambda d: d["signed"]["keys"].update(twin=next(iter(d["signed"]["keys"].values()))),
        "one key under two ids",
    ),
    "capital letters in a key": (
        lambda d: next(iter(d["signed"]["keys"].values()))["keyval"].update(public="AB" * 32),
        "cannot be read",
    ),
    "foreign key type": (
        lambda d: next(iter(d["signed"]["keys"].values())).update(keytype="gpg", scheme="ed25519"),
        "not TUF metadata",
    ),
    "key of another program": (
        lambda d: next(iter(d["signed"]["keys"].values())).update(keytype="rsa", scheme="pgp+rsa-pkcsv1.5"),
        "not accepted",
    ),
    "role names no key": (lambda d: d["signed"]["roles"]["root"].update(keyids=["nobody"]), "not listed"),
    "threshold beyond the keys": (lambda d: d["signed"]["roles"]["targets"].update(threshold=6), "more signatures"),
    "threshold as a flag": (lambda d: d["signed"]["roles"]["root"].update(threshold=True), "more signatures"),
    "threshold zero": (lambda d: d["signed"]["roles"]["root"].update(threshold=0), "not TUF metadata"),
    "role missing": (lambda d: d["signed"]["roles"].pop("snapshot"), "not TUF metadata"),
    "version zero": (lambda d: d["signed"].update(version=0), "not TUF metadata"),
    "version as a flag": (lambda d: d["signed"].update(version=True), "no usable version"),
    "version beyond JSON": (lambda d: d["signed"].update(version=1 << 53), "no usable version"),
    "version as text": (lambda d: d["signed"].update(version="1"), "not TUF metadata"),
    "unknown signed field": (lambda d: d["signed"].update(surprise=1), "unknown to TUF"),
    "unknown outer field": (lambda d: d.update(surprise=1), "unknown to TUF"),
    "other specification": (lambda d: d["signed"].update(spec_version="2.0.0"), "not TUF metadata"),
    "expiry form": (lambda d: d["signed"].update(expires="2036-01-01"), "not TUF metadata"),
    "another type": (lambda d: d["signed"].update(_type="targets", targets={}), "is of type targets"),
    "signature twice": (lambda d: d["signatures"].append(d["signatures"][0]), "not TUF metadata"),
}


@pytest.mark.parametrize("defect", ROOT_DEFECTS)
def test_root_defects_are_named(defect: str) -> None:
    change, words = ROOT_DEFECTS[defect]
    with pytest.raises(DirectoryInvalid, match=words):
        metadata.read_root(rewritten(root_metadata(), change))


def test_doubled_json_keys_are_refused() -> None:
    data = root_metadata().replace(b'"version":1', b'"version":2,"version":1')
    with pytest.raises(DirectoryInvalid, match="same key twice"):
        metadata.read_root(data)


def test_a_good_root_reads_and_verifies() -> None:
    root = metadata.read_root(root_metadata())
    metadata.verify_root(root, None)
    assert metadata.expiry(root) == int(EXPIRES.timestamp()) * 1000


@pytest.mark.parametrize("signers", range(3))
def test_below_threshold_says_how_many(signers: int) -> None:
    root = Metadata(root_payload())
    for name in GOVERNORS[:signers]:
        root.sign(signer(name), append=True)
    with pytest.raises(DirectoryThreshold, match=f"by {signers} of the 3 keys"):
        metadata.verify_root(root, None)


def test_a_signature_over_other_bytes_does_not_count() -> None:
    root = metadata.read_root(rewritten(root_metadata(), lambda d: d["signed"].update(version=7)))
    with pytest.raises(DirectoryThreshold, match="by 0 of the 3 keys"):
        metadata.verify_root(root, None)


def test_strangers_do_not_count() -> None:
    root = Metadata(root_payload())
    for name in (*GOVERNORS[:2], "hk-customs/administrator-1"):
        root.sign(signer(name), append=True)
    with pytest.raises(DirectoryThreshold, match="by 2 of the 3 keys"):
        metadata.verify_root(root, None)


def test_a_governor_may_sign_with_a_hardware_tokens_curve() -> None:
    token = CryptoSigner(derive_private_key(7, SECP256R1()))
    root = root_payload()
    for role in root.roles:
        root.add_key(token.public_key, role)
    signed = Metadata(root)
    for one in (token, *(signer(name) for name in GOVERNORS[:2])):
        signed.sign(one, append=True)
    metadata.verify_root(metadata.read_root(signed.to_bytes()), None)

    def respell(value: dict[str, Any]) -> None:
        twin = copy.deepcopy(value["signed"]["keys"][token.public_key.keyid])
        twin["keyval"]["public"] += "\n"
        value["signed"]["keys"]["twin"] = twin

    with pytest.raises(DirectoryInvalid, match="one key under two ids"):
        metadata.read_root(rewritten(signed.to_bytes(), respell))


TARGETS_DEFECTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "other target": (
        lambda d: d["signed"]["targets"].update({"x.json": {"length": 1, "hashes": {"sha256": "0"}}}),
        "alone",
    ),
    "no target": (lambda d: d["signed"]["targets"].clear(), "alone"),
    "no delegations": (lambda d: d["signed"].pop("delegations"), "delegates to nobody"),
    "succinct delegations": (
        lambda d: d["signed"].update(
            delegations={
                "keys": {},
                "succinct_roles": {"keyids": [], "threshold": 1, "bit_length": 2, "name_prefix": "bin"},
            }
        ),
        "delegates to nobody",
    ),
    "another's path": (
        lambda d: d["signed"]["delegations"]["roles"][0].update(paths=["agencies/hk-customs.json"]),
        "other than",
    ),
    "a pattern": (lambda d: d["signed"]["delegations"]["roles"][0].update(paths=["agencies/*.json"]), "other than"),
    "not terminating": (lambda d: d["signed"]["delegations"]["roles"][0].update(terminating=False), "terminating"),
    "shared administrator": (
        lambda d: d["signed"]["delegations"]["roles"][1]["keyids"].append(
            d["signed"]["delegations"]["roles"][0]["keyids"][0]
        ),
        "administrator's key of",
    ),
    "threshold beyond the keys": (
        lambda d: d["signed"]["delegations"]["roles"][0].update(threshold=3),
        "more signatures",
    ),
}


@pytest.mark.parametrize("defect", TARGETS_DEFECTS)
def test_targets_defects_are_named(defect: str) -> None:
    change, words = TARGETS_DEFECTS[defect]
    with pytest.raises(DirectoryInvalid, match=words):
        metadata.read_targets(rewritten(parts("targets").metadata, change), "targets")


def test_an_agency_vouches_for_its_own_file_only() -> None:
    with pytest.raises(DirectoryInvalid, match=r"not for agencies/sg-cnb\.json alone"):
        metadata.read_targets(parts("hk-customs").metadata, "sg-cnb")


def test_an_agency_cannot_delegate() -> None:
    world = make_world(publish=False)
    signed = Targets(1, None, EXPIRES, {}, world.delegations())
    data = rewritten(Metadata(signed).to_bytes(), lambda d: d["signed"].update(targets=own_target()))
    with pytest.raises(DirectoryInvalid, match="only the governors"):
        metadata.read_targets(data, "hk-customs")


def own_target() -> object:
    return json.loads(parts("hk-customs").metadata)["signed"]["targets"]


def test_target_must_be_the_file_vouched_for() -> None:
    bundle = parts("targets")
    read = metadata.read_targets(bundle.metadata, "targets")
    metadata.check_target(read, bundle.target)
    for other in (bundle.target + b" ", bundle.target[:-1] + b" ", b""):
        with pytest.raises(DirectoryInvalid, match="not the file vouched for"):
            metadata.check_target(read, other)


def test_a_target_needs_a_sha256() -> None:
    bundle = parts("targets")
    weak = rewritten(
        bundle.metadata, lambda d: d["signed"]["targets"]["directory.json"].update(hashes={"md5": "00" * 16})
    )
    with pytest.raises(DirectoryInvalid, match="without a SHA-256"):
        metadata.check_target(metadata.read_targets(weak, "targets"), bundle.target)


def test_expiry_is_the_first_moment_out() -> None:
    root = metadata.read_root(root_metadata())
    ends = metadata.expiry(root)
    metadata.check_expiry(root, "root", ends - 1)
    for at in (ends, (1 << 48) - 1):
        with pytest.raises(DirectoryExpired, match="root version 1 expired on 2036-01-01"):
            metadata.check_expiry(root, "root", at)
