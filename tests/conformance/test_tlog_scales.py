"""A transparency log library that nobody here wrote reads what we write, and the other way round.

`tlog-scales` (PyPI, Apache-2.0) implements C2SP tlog-tiles, tlog-checkpoint, tlog-cosignature and tlog-proof by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodes.auditor.mirror import LogFolder
from nodes.auditor.prove import prove
from schemas.example import example_seed
from schemas.keys import MlDsaKey, SigningKey, WitnessKey
from schemas.log.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from schemas.log.cosignature import Tree, sign_text, sign_tree
from schemas.log.merkle import leaf_hash, prove_consistency, prove_inclusion, root, verify_consistency, verify_inclusion
from schemas.log.note import ED25519_COSIGNATURE, ML_DSA_44, SignedNote, format_note, note_key, parse_note, parse_vkey
from schemas.log.tiles import TileReader, entries_path, split_bundle, tile_path, tiles_for
from tests.support.auditing import quiet
from tests.support.log_builder import LogBuilder

tlog: Any = pytest.importorskip("tlog_scales.tlog")
signing: Any = pytest.importorskip("tlog_scales.signing")
cli: Any = pytest.importorskip("tlog_scales.cli")
backend: Any = pytest.importorskip("tlog_scales.backend")
reader: Any = pytest.importorskip("tlog_scales.reader")
writer: Any = pytest.importorskip("tlog_scales.writer")

SIZE = 600
ORIGIN = "log.other.example/1"
SEED = example_seed("broker", "log")
NOW = 1_790_000_000_000


@pytest.fixture(scope="module")
def log() -> LogBuilder:
    """A log of two full bundles and a part of a third."""
    log = LogBuilder()
    log.some_traffic(20)
    while log.size < SIZE:
        log.refusal()
    return log


@pytest.fixture(scope="module")
def folder(log: LogBuilder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return log.write(tmp_path_factory.mktemp("log"))


def theirs(folder: Path) -> Any:
    return reader.TilesReader(backend.LocalBackend(folder))


# -- they read ours ----------------------------------------------------------------------------------------------------


def test_our_checkpoint_is_read_and_verified(log: LogBuilder, folder: Path) -> None:
    checkpoint = theirs(folder).get_checkpoint()
    assert (checkpoint.origin, checkpoint.size, checkpoint.root_hash) == (log.world.origin, SIZE, log.tree.roots[SIZE])
    checkpoint.verify(signing.Vkey.from_string(log.world.document.log.keys[0]))
    assert checkpoint.serialize().encode() == (folder / "checkpoint").read_bytes()


def test_our_tiles_give_the_signed_root(log: LogBuilder, folder: Path) -> None:
    tiles = theirs(folder)
    tiles.get_checkpoint()
    assert tiles.calculate_root_hash() == log.tree.roots[SIZE]


@pytest.mark.parametrize("index", [0, 5, 255, 256, 511, 512, SIZE - 1])
def test_an_entry_and_its_proof_are_the_same(log: LogBuilder, folder: Path, index: int) -> None:
    tiles = theirs(folder)
    checkpoint = tiles.get_checkpoint()
    assert tiles.get_entry(index) == log.entries[index]
    proof = tiles.get_inclusion_proof(index, SIZE)
    proof.check(leaf_hash(log.entries[index]), checkpoint.root_hash)
    assert proof.node_hashes == prove_inclusion(index, SIZE, log.tree.read)


@pytest.mark.parametrize("old", [1, 5, 255, 256, 257, 512, SIZE - 1])
def test_consistency_proofs_are_the_same(log: LogBuilder, folder: Path, old: int) -> None:
    tiles = theirs(folder)
    tiles.set_size(SIZE)
    proof = tiles.get_consistency_proof(old, SIZE)
    proof.check(log.tree.roots[old], log.tree.roots[SIZE])
    assert proof.node_hashes == prove_consistency(old, SIZE, log.tree.read)


def test_their_command_makes_our_proof_file_but_for_the_entry_in_it(
    log: LogBuilder, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["tlog-tiles", "gen-proof", str(folder), "5"])
    cli.main()
    ours = prove(LogFolder(folder), log.alert_id(5), progress=quiet).data.decode().splitlines(keepends=True)
    assert ours[1].startswith("extra ")
    assert capsys.readouterr().out == "".join(ours[:1] + ours[2:])


@pytest.mark.parametrize("kind", [ED25519_COSIGNATURE, ML_DSA_44])
def test_our_cosignatures_are_verified(kind: int) -> None:
    checkpoint = Checkpoint(ORIGIN, 7, bytes(32))
    note = parse_note(sign_checkpoint(checkpoint, SigningKey(SEED), MlDsaKey(SEED), now=NOW))
    if kind == ED25519_COSIGNATURE:
        witness = WitnessKey(SEED)
        line, public = sign_text(note.text, "witness.example", witness, now=NOW), witness.public
    else:
        post_quantum = MlDsaKey(SEED)
        line = sign_tree(
            Tree(checkpoint.origin, checkpoint.size, checkpoint.root), "witness.example", post_quantum, now=NOW
        )
        public = post_quantum.public
    read = tlog.Checkpoint.from_text(format_note(SignedNote(note.text, (*note.signatures, line))).decode())
    read.verify(signing.Vkey.from_string(note_key("witness.example", public, kind).vkey))
    read.verify(signing.Vkey.from_string(note_key(ORIGIN, SigningKey(SEED).public).vkey))
    read.verify(signing.Vkey.from_string(note_key(ORIGIN, MlDsaKey(SEED).public, ML_DSA_44).vkey))


# -- we read theirs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[1], [3, 255, 256], [700], [256, 513, 1000]])
def test_their_log_is_ours_byte_for_byte(tmp_path: Path, sizes: list[int]) -> None:
    made = writer.TilesWriter.create(tmp_path / "log", ORIGIN)
    signers = [signing.PlainEd25519Signer(ORIGIN, SEED), signing.MLDSA44CosignatureSigner(ORIGIN, SEED)]
    kept = []
    for size in sizes:
        for number in range(made.size, size):
            made.add_leaf(b"entry %d" % number)
        made.commit(signers)
        kept.append((tmp_path / "log" / "checkpoint").read_bytes())
    keys = [parse_vkey(signer.vkey.serialize()) for signer in signers]
    checkpoints = [verify_checkpoint(note, ORIGIN, keys) for note in kept]
    last = checkpoints[-1]
    folder = LogFolder(tmp_path / "log")
    read = TileReader(last.size, folder.read_tile)
    assert root(last.size, read) == last.root
    for old in checkpoints:
        verify_consistency(old.size, old.root, last.size, last.root, prove_consistency(old.size, last.size, read))
    for index in (0, last.size // 2, last.size - 1):
        bundle, item = divmod(index, 256)
        entries = split_bundle(folder.read(entries_path(bundle, width := min(256, last.size - 256 * bundle))), width)
        assert entries[item] == b"entry %d" % index
        path = prove_inclusion(index, last.size, read)
        verify_inclusion(leaf_hash(entries[item]), index, last.size, path, last.root)
    assert all(folder.has(tile_path(*parts)) for parts in tiles_for(last.size))
