"""The medians of several rounds, figure by figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Figures = TypeVar("Figures", bound="DataclassInstance")


def medians(rounds: Sequence[Figures]) -> Figures:
    """Return each figure's median; one that is None in any round is None."""
    columns: Iterator[tuple[Any, ...]] = zip(*map(astuple, rounds), strict=True)
    return type(rounds[0])(*(None if None in column else median(column) for column in columns))
