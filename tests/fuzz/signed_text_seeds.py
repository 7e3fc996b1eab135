"""Seeds of signed text, a form that stays: `python -m tests.fuzz.signed_text_seeds` writes them to the corpus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from schemas.log.merkle import prove_inclusion
from schemas.log.note import encode_base64, parse_note
from schemas.log.proof import format_proof
from schemas.log.tiles import entries_path, entry_bundle, tile_path
from schemas.log.witness import format_answer, format_size
from tests.fuzz.signed_text import HELD, known_note
from tests.support.witnessing import COSIGNER, GROWN, LOG_KEYS, NOW, body, note, tree

CORPUS = Path(__file__).parent / "corpus"
VECTORS = Path(__file__).parents[2] / "schemas" / "vectors"


def signed_text_seeds() -> Iterator[tuple[str, str, bytes]]:
    """Target, name and bytes of every seed: one good input of each kind, and the small defects of the vectors."""
    for name, note_bytes, request in _vectors():
        if note_bytes and len(note_bytes) < 1000:
            yield "note", name, note_bytes
        if request and len(request) < 1500:
            yield "witness-request", name, request
    plain, cosigned = note(33), known_note(33)
    lines = COSIGNER.cosign(parse_note(plain).text, tree(33), now=NOW)[:1]
    yield from (("note", "seed-log", plain), ("signed-checkpoint", "seed-log", plain))
    yield "signed-checkpoint", "seed-ed25519", plain + format_answer(lines)
    yield "signed-checkpoint", "seed-both", cosigned
    yield "checkpoint", "seed-ours", parse_note(plain).text.encode()
    yield "checkpoint", "seed-any-log", f"go.sum database tree\n1\n{encode_base64(GROWN.roots[1])}\nmore\n".encode()
    yield "base64", "seed-hash", encode_base64(GROWN.roots[1]).encode()
    yield "signatures", "seed-one", format_answer(lines)
    yield "witness-answer", "seed-one", format_answer(lines)
    yield "witness-request", "seed-grown", body(HELD, 33)
    yield "witness-request", "seed-again", body(HELD, HELD)
    yield "witness-size", "seed-size", format_size(20_852_163)
    for key in (*LOG_KEYS[:1], *COSIGNER.keys[:1]):
        yield "vkey", f"seed-{key.type:02x}", key.vkey.encode()
    for path in (tile_path(0, 1_234_067), tile_path(63, 0, 255), entries_path(5, 1), entries_path(0)):
        yield "tile-path", "seed-" + path.replace("/", "-"), path.encode()
    path_hashes = prove_inclusion(5, 33, GROWN.read)
    yield "proof", "seed-bare", format_proof(5, path_hashes, plain)
    yield "proof", "seed-extra", format_proof(5, path_hashes, plain, b"5")
    yield "bundle", "seed-three", b"\x03" + entry_bundle([b"one", b"", b"three"])
    yield "policy", "seed-groups", _policy()


def _policy() -> bytes:
    log, one = LOG_KEYS[0].vkey, COSIGNER.keys[0].vkey
    text = f"# a policy\nlog {log} https://log.example\nwitness one\t{one}\ngroup some any one\nquorum some\n"
    return text.encode()


def _vectors() -> Iterator[tuple[str, bytes, bytes]]:
    for folder in ("checkpoint", "witness"):
        for path in sorted((VECTORS / folder).glob("*.json")):
            given = json.loads(path.read_bytes())["input"]
            yield f"vector-{path.stem}", bytes.fromhex(given.get("note", "")), bytes.fromhex(given.get("request", ""))


def main() -> None:
    """Write the seeds; one that is there stays, since ML-DSA-44 signs anew each time."""
    for target, name, data in signed_text_seeds():
        path = CORPUS / target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(data)


if __name__ == "__main__":
    main()
