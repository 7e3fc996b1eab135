"""What the project's programs say of their work, in the processes of a measurement: nothing but errors."""

from __future__ import annotations

import logging

import structlog


def keep_silent() -> None:
    """Have lines below errors cost no more than in a program that is configured to leave them out."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR), cache_logger_on_first_use=True
    )
