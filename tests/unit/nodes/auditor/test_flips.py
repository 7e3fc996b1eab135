"""One flipped byte anywhere in a copy is found, pinned to its file and entry, and blamed on nobody by signature."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.auditor.findings import COPY
from schemas.log.tiles import split_bundle
from tests.support.auditing import audit, flip
from tests.support.log_builder import LogBuilder


@pytest.fixture(scope="module")
def tiny() -> LogBuilder:
    log = LogBuilder()
    log.files[f"checkpoints/{log.size}"] = log.checkpoint()
    log.some_traffic(1)
    return log


def offsets(path: Path) -> range:
    """Every byte; of the directory files, which are larger and guarded by one digest, every so many."""
    size = path.stat().st_size
    return range(0, size, size // 40 if path.parent.name == "directory" else 1)


def test_the_copy_is_good_to_begin_with(tiny: LogBuilder, tmp_path: Path) -> None:
    assert audit(tiny, tiny.write(tmp_path)).ok


@pytest.mark.parametrize("kind", ["checkpoint", "checkpoints", "tile/0", "tile/entries", "directory"])
def test_a_flipped_byte_is_found_and_located(tiny: LogBuilder, tmp_path: Path, kind: str) -> None:
    folder = tiny.write(tmp_path)
    paths = [
        path for path in sorted(folder.rglob("*")) if path.is_file() and path.relative_to(folder).is_relative_to(kind)
    ]
    assert paths
    for path in paths:
        name = path.relative_to(folder).as_posix()
        for offset in offsets(path):
            bits = 1 << offset % 8
            flip(path, offset, bits)
            report = audit(tiny, folder)
            flip(path, offset, bits)
            here = [finding for finding in report.findings.kept if finding.file == name]
            assert here, (name, offset)
            assert {finding.party for finding in report.findings.kept} == {COPY}, (name, offset)
            if kind == "tile/0":
                assert [(f.entry, f.offset) for f in here] == [(offset // 32, offset)]
            if kind == "tile/entries":
                assert entry_at(path.read_bytes(), offset, tiny.size) == here[0].entry, (name, offset)


def entry_at(bundle: bytes, offset: int, width: int) -> int:
    """The entry of a bundle that the byte at `offset` belongs to."""
    end = 0
    for index, entry in enumerate(split_bundle(bundle, width)):
        end += 2 + len(entry)
        if offset < end:
            return index
    raise AssertionError("beyond the bundle")


@pytest.mark.parametrize("cut", [0, 1, 31, 33, 500])
@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000.p/7", "tile/entries/000.p/7"])
def test_a_shortened_file_is_found(tiny: LogBuilder, tmp_path: Path, name: str, cut: int) -> None:
    path = tiny.write(tmp_path) / name
    data = path.read_bytes()
    path.write_bytes(data[: min(cut, len(data) - 1)])
    assert name in {finding.file for finding in audit(tiny, tmp_path).findings.kept}


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000.p/7", "tile/entries/000.p/7"])
def test_a_lengthened_file_is_found(tiny: LogBuilder, tmp_path: Path, name: str) -> None:
    path = tiny.write(tmp_path) / name
    path.write_bytes(path.read_bytes() + b"\0")
    assert name in {finding.file for finding in audit(tiny, tmp_path).findings.kept}


def test_a_removed_file_is_found(tiny: LogBuilder, tmp_path: Path) -> None:
    folder = tiny.write(tmp_path)
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.parent.name != "checkpoints"):
        data = path.read_bytes()
        path.unlink()
        report = audit(tiny, folder)
        path.write_bytes(data)
        assert path.relative_to(folder).as_posix() in {finding.file for finding in report.findings.kept}


def test_in_a_log_of_several_tiles_damage_is_pinned_to_file_and_entry(tmp_path: Path) -> None:
    log = LogBuilder()
    while log.size < 700:
        log.refusal()
    folder = log.write(tmp_path)
    for name, offset in (
        ("tile/0/000", 32 * 17 + 5),
        ("tile/0/002.p/188", 32 * 100),
        ("tile/1/000.p/2", 40),
        ("tile/entries/001", 9000),
        ("tile/entries/002.p/188", 77),
    ):
        flip(folder / name, offset)
        report = audit(log, folder)
        flip(folder / name, offset)
        assert [finding.file for finding in report.findings.kept] == [name]
        finding = report.findings.kept[0]
        expected = {
            "tile/0/000": (17, None),
            "tile/0/002.p/188": (612, None),
            "tile/1/000.p/2": (256, 511),
        }
        if name in expected:
            assert (finding.entry, finding.last_entry) == expected[name]
            assert finding.offset == offset
        else:
            index = int(name[13:16])
            width = min(256, log.size - 256 * index)
            assert finding.entry == 256 * index + entry_at((folder / name).read_bytes(), offset, width)
