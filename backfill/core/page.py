"""A page as its rows fill it, and the stripes that let most of its rows be updated in place.

A row that is updated needs room on its own page to be HOT. A full page has none, so the rows of its first stripe
move to other pages; once they are pruned, the second stripe fits where they were, and so on. A row that grows takes
more than it gives back, so each stripe has fewer rows than the one before it. `residues` spreads the rows of every
page over the stripes by their line pointers, evenly however many rows a page holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

USABLE_BYTES = 8168
"""What an 8 kB page has for tuples and their line pointers (BLCKSZ less its header)."""
POINTER_BYTES = 4
"""A line pointer: stays behind as a redirect (HOT) or as dead (moved) when its old version is pruned."""
RESIDUES = 64
"""Line pointers are told apart modulo this: a bigint has a bit for each."""
STRIPES_MAX = 12
MOVED_WAL_BYTES = 150
"""WAL of an update that leaves its page, beyond one that stays: a lock record, the whole row and not its change."""
INDEX_WAL_BYTES = 75
"""The same for each index: one new entry, its splits aside."""
VISIT_WAL_BYTES = 150
"""What one more visit of a page costs: its prune record (84 bytes seen), and its time as bytes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """An average page: `rows` live tuples of `row_bytes`, `due` of them to be updated to `updated_bytes`."""

    rows: float
    due: float
    row_bytes: float
    updated_bytes: float

    @property
    def free_bytes(self) -> float:
        """Space for new versions before anything is pruned."""
        return max(0.0, USABLE_BYTES - self.rows * (self.row_bytes + POINTER_BYTES))


@dataclass(frozen=True, slots=True)
class Stripes:
    """How many of a page's due rows each stripe takes, and the share of them that stays on its page."""

    sizes: tuple[int, ...]
    hot_share: float


ONE = Stripes((1,), 0.0)


@lru_cache(maxsize=256)
def best(shape: Shape, indexes: int, stripes: int | None = None) -> Stripes:
    """Return the stripes that cost least, or the best of exactly so many."""
    due = max(1, round(shape.due))
    counts = range(1, STRIPES_MAX + 1) if stripes is None else (stripes,)
    found = []
    for count in counts:
        for first in range(1, due + 1):
            sizes = _sizes(shape, due, first, count)
            if stripes is not None and len(sizes) != stripes:
                continue
            moved = _moved(shape, sizes)
            wal_bytes = moved * (MOVED_WAL_BYTES + INDEX_WAL_BYTES * indexes) + len(sizes) * VISIT_WAL_BYTES
            found.append((wal_bytes, len(sizes), sizes, 1 - moved / due))
    if not found:  # more stripes than rows: some stay empty
        return Stripes((1,) * (stripes or 1), 0.0)
    _, _, sizes, hot_share = min(found)
    return Stripes(sizes, hot_share)


def hot_share(shape: Shape, sizes: tuple[int, ...]) -> float:
    """Return the share of a page's due rows that stripes in these proportions would leave on their page."""
    due, total = max(1, round(shape.due)), sum(sizes)
    ends = [round(due * sum(sizes[: place + 1]) / total) for place in range(len(sizes))]
    scaled = tuple(end - start for start, end in zip([0, *ends], ends, strict=False))
    return 1 - _moved(shape, scaled) / due


def _sizes(shape: Shape, due: int, first: int, count: int) -> tuple[int, ...]:
    """Return a first stripe of so many rows, then as many each time as fit what was freed; the last takes the rest."""
    sizes: list[int] = []
    free, left = shape.free_bytes, due
    while left > 0 and len(sizes) < count - 1:
        size = min(left, max(1 if sizes else first, _fitting(shape, free)))
        free = _after(shape, free, size)
        sizes.append(size)
        left -= size
    return (*sizes, left) if left else tuple(sizes)


def _moved(shape: Shape, sizes: tuple[int, ...]) -> int:
    free, moved = shape.free_bytes, 0
    for size in sizes:
        moved += max(0, size - _fitting(shape, free))
        free = _after(shape, free, size)
    return moved


def _fitting(shape: Shape, free: float) -> int:
    return max(0, int(free // (shape.updated_bytes + POINTER_BYTES)))


def _after(shape: Shape, free: float, size: int) -> float:
    """Return the free space after a stripe of `size` rows, once its old versions are pruned."""
    in_place = min(size, _fitting(shape, free))
    return free - in_place * (shape.updated_bytes + POINTER_BYTES) + size * shape.row_bytes


@lru_cache(maxsize=256)
def residues(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the stripe of each line pointer modulo `RESIDUES`, every stretch of them shared out by the sizes."""
    total, given = sum(sizes), [0] * len(sizes)
    stripes = []
    for place in range(1, RESIDUES + 1):
        stripe = max(range(len(sizes)), key=lambda one: sizes[one] * place / total - given[one])
        given[stripe] += 1
        stripes.append(stripe)
    return tuple(stripes)


def mask(sizes: tuple[int, ...], stripe: int) -> int:
    """Return a signed 64-bit number with a bit for each residue of a stripe."""
    bits = sum(1 << place for place, one in enumerate(residues(sizes)) if one == stripe)
    return bits - (1 << RESIDUES) if bits >> (RESIDUES - 1) else bits
