"""Proves frames that came one after the other in one tree, that of the last one's checkpoint.

Each frame's checkpoint is shown to be continued by the next one's, so all entries of all frames stand in the last tree,
and one signature vouches for them: the last. Each entry's path is brought up to that tree, so what is kept of an alert
is proven by a checkpoint whose signature was verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from nodes.taking import Proven, prove
from schemas.envelope.opening import trust_checkpoint
from schemas.log.checkpoint import Checkpoint, claimed_checkpoint
from schemas.log.growth import Growth
from schemas.log.merkle import verify_consistency
from schemas.log.note import NoteKey
from schemas.session.frames import Block, Item, TreeHead


def prove_together(
    frames: Sequence[Block | TreeHead], *, origin: str, keys: Sequence[NoteKey], held: Checkpoint
) -> list[Proven] | None:
    """All frames, proven; None if there is only one, or anything may be wrong: then each is to be judged by itself."""
    if len(frames) == 1:
        return None
    claims = [claimed_checkpoint(frame.checkpoint, origin, keys) for frame in frames[:-1]]
    heads = [claim for claim in claims if claim is not None]
    if len(heads) != len(claims):
        return None
    try:
        return _prove(frames, heads, origin=origin, keys=keys, held=held)
    except Exception:  # even what nobody foresaw is found again in the frame that it is in
        return None


def _prove(
    frames: Sequence[Block | TreeHead],
    claimed: Sequence[Checkpoint],
    *,
    origin: str,
    keys: Sequence[NoteKey],
    held: Checkpoint,
) -> list[Proven]:
    first, last = frames[0], frames[-1]
    verify_consistency(held.size, held.root, claimed[0].size, claimed[0].root, first.proof)
    trusted = trust_checkpoint(last.checkpoint, origin=origin, keys=keys, held=claimed[-1], proof=last.proof)
    heads = pairwise([*claimed, trusted.checkpoint])
    growths = [Growth(old, new, frame.proof) for (old, new), frame in zip(heads, frames[1:], strict=True)]
    return [prove(_brought(frame, growths[number:]), trusted) for number, frame in enumerate(frames)]


def _brought(frame: Block | TreeHead, growths: Sequence[Growth]) -> Block | TreeHead:
    """The frame with its items' paths as they are after these growths."""
    if isinstance(frame, TreeHead) or not growths:
        return frame
    items = []
    for item in frame.items:
        path = item.path
        for growth in growths:
            path = growth.bring(item.index, path)
        items.append(Item(item.index, item.entry, path, item.body, item.openers))
    return Block(frame.checkpoint, frame.proof, tuple(items))
