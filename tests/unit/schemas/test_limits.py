from __future__ import annotations

import ast
from pathlib import Path

from schemas import limits
from schemas.codec import encode


def test_every_limit_is_a_whole_number_with_its_reason_beside_it() -> None:
    body = ast.parse(Path(limits.__file__).read_text("utf-8")).body
    pairs = [(node, after) for node, after in zip(body, [*body[1:], ast.Pass()], strict=True)]
    named = [(node, after) for node, after in pairs if isinstance(node, ast.AnnAssign)]
    assert len(named) >= 30
    for node, after in named:
        assert isinstance(node.target, ast.Name)
        assert type(getattr(limits, node.target.id)) is int
        reason = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value
        assert isinstance(reason, str), f"{node.target.id} has no reason"


def test_recipients_at_their_limit_leave_room_in_a_header() -> None:
    recipient = encode(["x" * limits.MAX_SLUG, bytes(16), bytes(48)])
    assert len(recipient) * limits.MAX_RECIPIENTS < limits.MAX_HEADER * 2 // 3


def test_a_frame_holds_a_whole_submission() -> None:
    openers = 1168 * limits.MAX_OPENERS
    assert limits.MAX_BODY + limits.MAX_HEADER + openers + 10_000 < limits.MAX_FRAME


def test_a_chunk_fits_a_frame() -> None:
    assert limits.CHUNK + 10_000 < limits.MAX_FRAME
