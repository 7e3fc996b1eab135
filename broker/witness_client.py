"""Speaks to outside witnesses over HTTP (C2SP tlog-witness). What the answers mean is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import aiohttp

from schemas.errors import Unreachable
from schemas.limits import MAX_WITNESS_REQUEST

SECONDS: Final = 15.0
"""For a whole request: a witness may have to wait for its disk."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A witness's answer: HTTP status and body."""

    status: int
    body: bytes


async def post(url: str, body: bytes) -> Answer:
    """Send a request body to `url`. Raises `Unreachable`, also for an answer that no witness would give."""
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body, allow_redirects=False) as response,
        ):
            answer = await response.content.read(MAX_WITNESS_REQUEST + 1)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unreachable(f"the witness at {url} cannot be reached: {error or type(error).__name__}") from error
    if len(answer) > MAX_WITNESS_REQUEST:
        raise Unreachable(f"the witness at {url} answers with more than {MAX_WITNESS_REQUEST} bytes")
    return Answer(response.status, answer)
