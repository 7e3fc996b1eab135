"""Documents as an officer would write them, for tests that are not about their content."""

from __future__ import annotations

from typing import Any

SECRET_WORDS = "seven drums of lantern oil behind the false bulkhead"


def watch(to: list[str], *, title: str = "Container to look out for", **more: object) -> dict[str, Any]:
    """A small, valid container alert; the number is invented and has a right check digit."""
    return {
        "kind": "watch",
        "title": title,
        "narrative": f"Expect {SECRET_WORDS}.",
        "to": to,
        "subjects": [{"type": "container", "number": "CSQU3054383"}],
        **more,
    }
