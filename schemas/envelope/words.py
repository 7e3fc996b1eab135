"""The closed word lists of the clear header, shared with the alert. Rules match on them: a word outside is refused."""

from __future__ import annotations

from typing import Final, get_args

from schemas.alert import codes

PRECEDENCES: Final[tuple[str, ...]] = get_args(codes.Precedence)
"""Most urgent first."""
PRECEDENCE_RANK: Final = {word: rank for rank, word in enumerate(PRECEDENCES)}
"""Delivery order: a smaller rank goes first."""
URGENT: Final = 2
"""Ranks below this one, `flash` and `immediate`, have room of their own wherever something waits."""

MARKINGS: Final[tuple[str, ...]] = get_args(codes.Marking)
"""TLP 2.0 (FIRST, August 2022), least restricted first."""
MARKING_RANK: Final = {word: rank for rank, word in enumerate(MARKINGS)}
"""A ceiling admits every marking of its own rank and below."""

TOPICS: Final[tuple[str, ...]] = get_args(codes.Kind)
"""The kinds of alert; the header calls an alert's kind its topic."""

STATUSES: Final[tuple[str, ...]] = get_args(codes.Status)
MODES: Final[tuple[str, ...]] = get_args(codes.Mode)
SUBJECTS: Final[tuple[str, ...]] = get_args(codes.SubjectType)
"""The types of an alert's subjects; the header holds only those that a standing request asked about."""
RELATIONS: Final[tuple[str, ...]] = get_args(codes.RelationType)
