"""How often something is drawn: never is the simplest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


def chance(percent: int) -> st.SearchStrategy[bool]:
    """Return whether something is there, so often of a hundred times."""
    return st.integers(0, 99).map(lambda drawn: drawn >= 100 - percent)


def some(values: Sequence[T], most: int) -> st.SearchStrategy[list[T]]:
    """Return up to so many different values, each number as often as any other."""
    return st.integers(0, most).flatmap(
        lambda count: st.lists(st.sampled_from(values), min_size=count, max_size=count, unique=True)
    )
