from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nodes.keystore import FORMAT, Seeds, fresh_seeds, read_keystore, write_keystore
from nodes.sealed_file import write_sealed
from schemas import codec, sealed
from schemas.errors import BadConfig, BadId, NotFound, OpenPermissions, WrongPassphrase
from tests.support.envelope import counting_random

PASSPHRASE = b"correct horse"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id with little memory: what is tested here is not its cost."""
    monkeypatch.setattr(sealed, "MEMORY_BOUNDS", (8_192, sealed.MEMORY_BOUNDS[1]))


def write(path: Path, seeds: Seeds, **cost: int) -> Path:
    write_keystore(path, seeds, PASSPHRASE, counting_random(), **{"ops": 3, "memory": 8_192, **cost})
    return path


@pytest.fixture
def seeds() -> Seeds:
    return fresh_seeds("hk-customs", counting_random())


@pytest.fixture
def path(tmp_path: Path, seeds: Seeds) -> Path:
    return write(tmp_path / "keystore", seeds)


def test_the_keys_come_back(path: Path, seeds: Seeds) -> None:
    assert read_keystore(path, PASSPHRASE) == seeds


def test_several_keys_of_a_kind_come_back_in_order(tmp_path: Path, seeds: Seeds) -> None:
    more = replace(seeds, sealing=(*seeds.sealing, b"n" * 32), signing=(b"o" * 32, *seeds.signing), witness=())
    assert read_keystore(write(tmp_path / "k", more), PASSPHRASE) == more


def test_no_seed_stands_in_the_file(path: Path, seeds: Seeds) -> None:
    data = path.read_bytes()
    assert all(seed not in data for seed in (*seeds.signing, *seeds.sealing, seeds.database))
    assert b"hk-customs" not in data


def test_the_file_is_closed_to_others(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(OpenPermissions) as refusal:
        read_keystore(path, PASSPHRASE)
    assert f"chmod 600 {path}" in refusal.value.hint


@pytest.mark.parametrize("wrong", [b"", b"correct hors", b"correct horse ", b"Correct horse"])
def test_another_passphrase_does_not_open_it(path: Path, wrong: bytes) -> None:
    with pytest.raises(WrongPassphrase):
        read_keystore(path, wrong)


def test_every_altered_byte_is_noticed(path: Path) -> None:
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises((BadConfig, WrongPassphrase)):
            read_keystore(path, PASSPHRASE)


def test_a_cut_file_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadConfig):
        read_keystore(path, PASSPHRASE)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_keystore(tmp_path / "none", PASSPHRASE)


def test_a_folder_is_no_keystore(tmp_path: Path) -> None:
    with pytest.raises(BadConfig):
        read_keystore(tmp_path, PASSPHRASE)


@pytest.mark.parametrize(("name", "value"), [("ops", 2), ("ops", 17), ("memory", 8_191), ("memory", 2**30 + 1)])
def test_costs_out_of_bounds_are_refused_before_they_are_paid(path: Path, name: str, value: int) -> None:
    outer = codec.decode(path.read_bytes(), max_size=10_000)
    assert isinstance(outer, dict)
    outer[name] = value
    path.write_bytes(codec.encode(outer))
    with pytest.raises(BadConfig, match=name):
        read_keystore(path, PASSPHRASE)


def test_another_format_is_refused(path: Path) -> None:
    outer = codec.decode(path.read_bytes(), max_size=10_000)
    assert isinstance(outer, dict)
    path.write_bytes(codec.encode({**outer, "format": "crossbearing/keystore/2"}))
    with pytest.raises(BadConfig, match="another format"):
        read_keystore(path, PASSPHRASE)


def test_a_huge_file_is_refused(path: Path) -> None:
    path.write_bytes(bytes(sealed.MAX_SEALED + 1))
    with pytest.raises(BadConfig, match="larger"):
        read_keystore(path, PASSPHRASE)


def test_seeds_are_whole_and_all_different(seeds: Seeds) -> None:
    with pytest.raises(BadConfig, match="twice"):
        replace(seeds, sealing=seeds.signing)
    with pytest.raises(BadConfig, match="at least one signing"):
        replace(seeds, signing=())
    with pytest.raises(BadConfig, match="32 bytes"):
        replace(seeds, witness=(b"short",))
    with pytest.raises(BadId):
        replace(seeds, agency="nobody")


def test_the_real_costs_are_within_the_bounds_read() -> None:
    assert sealed.OPS_BOUNDS[0] <= sealed.OPS <= sealed.OPS_BOUNDS[1]
    assert sealed.MEMORY == 64 * 1024 * 1024 <= sealed.MEMORY_BOUNDS[1]


@pytest.mark.parametrize(
    ("name", "value"), [("signing", ["text"]), ("signing", [b"short"]), ("sealing", 3), ("more", 1)]
)
def test_what_opens_and_is_no_keystore_is_refused(tmp_path: Path, seeds: Seeds, name: str, value: codec.Value) -> None:
    inner: dict[str, codec.Value] = {
        "agency": seeds.agency,
        "database": seeds.database,
        "sealing": list(seeds.sealing),
        "signing": list(seeds.signing),
        "witness": [],
        "witness_pq": [],
    }
    path = tmp_path / "odd"
    random = counting_random()
    write_sealed(path, FORMAT, {**inner, name: value}, PASSPHRASE, random, ops=3, memory=8_192)
    with pytest.raises(BadConfig):
        read_keystore(path, PASSPHRASE)
