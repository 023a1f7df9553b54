"""How many rows are to do, from pages that were read here and there: which to read, and what they say of the others.

A small table is read whole. Of a larger one a chunk of pages is read in each of many strata, at a jittered position.
Chunks are read in an order that covers the table evenly wherever time runs out. What was read is counted; the pages
that were not are taken to be like it. The upper bound holds in 999 of 1,000 samples (Maurer and Pontil's empirical
Bernstein inequality), whatever the rows to do lie like, if no page is denser than the densest that was read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

WHOLE_PAGES = 16_384
"""A table of at most this number of pages (128 MB) is read whole, if there is time."""
WHOLE_CHUNK_PAGES = 16
STRATA = 1024
CHUNK_PAGES = 4
GOLDEN = (math.sqrt(5) - 1) / 2
SIGMAS = 2.0
BOUND_LOG = math.log(3 / 0.001)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive pages of a leaf."""

    leaf: str
    first: int
    pages: int


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """A chunk that was read: its rows, and those of them to do."""

    chunk: Chunk
    rows: int
    due: int


@dataclass(frozen=True, slots=True)
class RowEstimate:
    """A number of rows: the likely one, the interval that holds it in 19 of 20 samples, and an upper bound."""

    rows: int
    low: int
    high: int
    most: int

    @property
    def exact(self) -> bool:
        """Whether the rows were counted."""
        return self.low == self.most


@dataclass(frozen=True, slots=True)
class RowSample:
    """What was read of leaves that have `pages` pages in all."""

    pages: int
    read: tuple[ReadChunk, ...]

    @property
    def complete(self) -> bool:
        """Whether every page was read."""
        return self.pages_read >= self.pages

    @property
    def pages_read(self) -> int:
        """Pages of all chunks."""
        return sum(sampled.chunk.pages for sampled in self.read)

    @property
    def rows(self) -> RowEstimate:
        """Rows of the table."""
        return _estimate(self, [sampled.rows for sampled in self.read])

    @property
    def due(self) -> RowEstimate:
        """Rows to do."""
        return _estimate(self, [sampled.due for sampled in self.read])

    def leaf(self, name: str, pages: int) -> RowSample:
        """Return what was read of one leaf."""
        return RowSample(pages, tuple(sampled for sampled in self.read if sampled.chunk.leaf == name))

    @property
    def due_pages(self) -> float:
        """Pages with rows to do, if those of a chunk lie as close as pages hold them."""
        if not self.read:
            return 0.0
        rows_a_page = max(1.0, sum(sampled.rows for sampled in self.read) / max(1, self.pages_read))
        pages = sum(_pages_with(sampled, rows_a_page) for sampled in self.read)
        return pages * self.pages / max(1, self.pages_read)


def chunks_to_read(leaves: Iterable[tuple[str, int]], jitter: float) -> tuple[Chunk, ...]:
    """Return the chunks of leaves, given with their pages, in the order in which they are to be read."""
    sizes = [(name, pages) for name, pages in leaves if pages > 0]
    total = sum(pages for _, pages in sizes)
    whole = total <= WHOLE_PAGES
    stratum = WHOLE_CHUNK_PAGES if whole else total / STRATA
    found = []
    for name, pages in sizes:
        count = max(1, math.ceil(pages / stratum))
        for number in range(count):
            low, high = (pages * number // count, pages * (number + 1) // count)
            if whole:
                found.append(Chunk(name, low, high - low))
                continue
            taken = min(CHUNK_PAGES, high - low)
            shift = math.modf(jitter + len(found) * GOLDEN)[0]
            found.append(Chunk(name, low + int(shift * (high - low - taken + 1)), taken))
    order = sorted(range(len(found)), key=lambda place: math.modf(place * GOLDEN)[0])
    return tuple(found[place] for place in order if found[place].pages > 0)


def _estimate(sample: RowSample, counts: list[int]) -> RowEstimate:
    seen, left = sum(counts), sample.pages - sample.pages_read
    if left <= 0:
        return RowEstimate(seen, seen, seen, seen)
    if not counts:
        return RowEstimate(0, 0, 0, 0)
    densities = [count / sampled.chunk.pages for count, sampled in zip(counts, sample.read, strict=True)]
    number, mean = len(densities), seen / sample.pages_read
    variance = sum((density - mean) ** 2 for density in densities) / max(1, number - 1)
    densest = max(sampled.rows / sampled.chunk.pages for sampled in sample.read)
    error = SIGMAS * math.sqrt(variance / number * left / sample.pages)
    bound = math.sqrt(2 * variance * BOUND_LOG / number) + 3 * densest * BOUND_LOG / number
    most = seen + math.ceil(left * min(densest, mean + bound))
    unseen = 3 / number * densest if seen == 0 else 0.0  # the rule of three
    high = min(most, seen + math.ceil(left * (mean + max(error, unseen))))
    rows = seen + round(left * mean)
    return RowEstimate(rows, seen + int(left * max(0.0, mean - error)), max(rows, high), max(rows, high, most))


def _pages_with(sampled: ReadChunk, rows_a_page: float) -> float:
    """Return how many pages of a chunk have a row to do, if those lie anywhere in it."""
    share = min(1.0, sampled.due / max(1, sampled.rows))
    return sampled.chunk.pages * (1 - float((1 - share) ** rows_a_page))
