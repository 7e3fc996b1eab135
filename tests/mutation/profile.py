"""A pytest plugin: properties that find the same in every run, and soon."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("mutation", deadline=None, derandomize=True, database=None, max_examples=10)
