"""A page as its rows fill it, and the stripes that let most of its rows be updated in place.

A row that is updated needs room on its own page to be HOT. A full page has none, so the rows of its first stripe
move to other pages; once they are pruned, the second stripe fits where they were, and so on. A row that grows takes
more than it gives back, so some more have to move first, but only as many at once as the leaves of the indexes have
room for; what a stripe leaves dead in them makes room for the next. `residues` spreads the rows of every
page over the stripes by their line pointers, evenly however many rows a page holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

USABLE_BYTES = 8168
"""What an 8 kB page has for tuples and their line pointers (BLCKSZ less its header)."""
POINTER_BYTES = 4
"""A line pointer: stays behind as a redirect (HOT) or as dead (moved) when its old version is pruned."""
RESIDUES = 64
"""Line pointers are grouped modulo this: a bigint has a bit for each."""
STRIPES_TRIED_MAX = 12
"""Stripes of a page that are tried; a job file may ask for as many."""
PROFILE_PAGES = 32
"""Pages that show how a window's rows fill them."""
MOVED_WAL_BYTES = 150
"""WAL of an update that leaves its page, beyond one that stays: a lock record, the whole row and not its change."""
INDEX_WAL_BYTES = 75
"""The same for each index: one new entry, its splits aside; after a checkpoint it may be a whole page."""
LEAF_FREE_SHARE = 0.1
"""Free space of an index leaf as it is built (fillfactor 90): entries of one stripe beyond it split the leaf, while
those of a stripe before are dead by then and deleted instead (bottom-up deletion, PostgreSQL 14)."""
SPLIT_WAL_BYTES = 150
"""What an index entry costs more that splits its leaf: half of it is written, and the index grows."""
VISIT_WAL_BYTES = 150
"""What one more visit of a page costs: its prune record (84 bytes seen), and its time as bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageProfile:
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
class StripePlan:
    """How many of a page's due rows each stripe takes, and the share of them that stays on its page."""

    sizes: tuple[int, ...]
    hot_share: float


def best_plan(
    profile: PageProfile, indexes: int, stripes: int | None = None, *, entry_wal_bytes: int = INDEX_WAL_BYTES
) -> StripePlan:
    """Return the cheapest stripes, or the best of exactly `stripes`; `entry_wal_bytes` is what an index entry costs.

    Pages that differ by less than half a row are taken for the same, so that few windows need a search of their own.
    """
    alike = replace(profile, rows=round(profile.rows * 2) / 2, due=round(profile.due * 2) / 2)
    return _best(alike, indexes, stripes, entry_wal_bytes)


@lru_cache(maxsize=256)
def _best(profile: PageProfile, indexes: int, stripes: int | None, entry_wal_bytes: int) -> StripePlan:
    due = max(1, round(profile.due))
    counts = range(1, STRIPES_TRIED_MAX + 1) if stripes is None else (stripes,)
    found = []
    for count in counts:
        for moved_wished in range(1, due + 1):
            sizes = _sizes(profile, due, moved_wished, count, _leaf_rows(profile) if indexes else due)
            if stripes is not None and len(sizes) != stripes:
                continue
            found.append((_wal_bytes(profile, sizes, indexes, entry_wal_bytes), len(sizes), sizes))
    if not found:  # more stripes than rows: some stay empty
        return StripePlan((1,) * (stripes or 1), 0.0)
    _, _, sizes = min(found)
    return StripePlan(sizes, hot_share(profile, sizes))


def hot_share(profile: PageProfile, sizes: tuple[int, ...]) -> float:
    """Return the share of a page's due rows that stripes in these proportions leave on their page."""
    return 1 - sum(_moved(profile, _scaled(profile, sizes))) / max(1, round(profile.due))


def later_share(profile: PageProfile, sizes: tuple[int, ...], stripe: int) -> float:
    """Return the share of the rows of the second up to this stripe that should stay on their page."""
    scaled, later = _scaled(profile, sizes), slice(1, stripe + 1)
    return 1 - sum(_moved(profile, scaled)[later]) / max(1, sum(scaled[later]))


@lru_cache(maxsize=256)
def unfilled_share(profile: PageProfile, sizes: tuple[int, ...]) -> float:
    """Return the share of the room of rows that leave their page that no later stripe fills: a vacuum's gain."""
    scaled, free = _scaled(profile, sizes), profile.free_bytes
    for size in scaled:
        free = _after(profile, free, size)
    left_bytes = sum(_moved(profile, scaled)) * profile.row_bytes
    return min(1.0, max(0.0, free) / left_bytes) if left_bytes else 1.0


def extra_cost(
    profile: PageProfile, sizes: tuple[int, ...], indexes: int, entry_wal_bytes: int = INDEX_WAL_BYTES
) -> float:
    """Return how much more than the best stripes these cost, as a share of what a plain UPDATE would."""

    def wal_bytes(of: tuple[int, ...]) -> float:
        return _wal_bytes(profile, of, indexes, entry_wal_bytes)

    least = best_plan(profile, indexes, entry_wal_bytes=entry_wal_bytes).sizes
    plain = (max(1, round(profile.due)),)
    return (wal_bytes(_scaled(profile, sizes)) - wal_bytes(least)) / wal_bytes(plain)


def _scaled(profile: PageProfile, sizes: tuple[int, ...]) -> tuple[int, ...]:
    due, total = max(1, round(profile.due)), sum(sizes)
    ends = [round(due * sum(sizes[: place + 1]) / total) for place in range(len(sizes))]
    return tuple(end - start for start, end in zip([0, *ends], ends, strict=False))


def _wal_bytes(profile: PageProfile, sizes: tuple[int, ...], indexes: int, entry_wal_bytes: int) -> float:
    """Return what a page costs beyond updating each of its due rows in place."""
    moved = _moved(profile, sizes)
    splitting = sum(max(0, rows - _leaf_rows(profile)) for rows in moved)
    return (
        sum(moved) * (MOVED_WAL_BYTES + entry_wal_bytes * indexes)
        + splitting * SPLIT_WAL_BYTES * indexes
        + len(sizes) * VISIT_WAL_BYTES
    )


def _sizes(profile: PageProfile, due: int, moved_wished: int, count: int, moved_max: int) -> tuple[int, ...]:
    """Return stripes of as many rows as fit their page, and some more until enough have moved to make room.

    At most `moved_max` more in each. The last stripe takes the rest.
    """
    sizes: list[int] = []
    free, left, moved = profile.free_bytes, due, 0
    while left > 0 and len(sizes) < count - 1:
        fitting = _fitting(profile, free)
        size = min(left, max(1, fitting + min(moved_max, moved_wished - moved)))
        free = _after(profile, free, size)
        moved += max(0, size - fitting)
        sizes.append(size)
        left -= size
    return (*sizes, left) if left else tuple(sizes)


def _moved(profile: PageProfile, sizes: tuple[int, ...]) -> list[int]:
    """Return how many rows of each stripe leave their page."""
    free, moved = profile.free_bytes, []
    for size in sizes:
        moved.append(max(0, size - _fitting(profile, free)))
        free = _after(profile, free, size)
    return moved


def _leaf_rows(profile: PageProfile) -> int:
    return max(1, int(profile.rows * LEAF_FREE_SHARE))


def _fitting(profile: PageProfile, free: float) -> int:
    return max(0, int(free // (profile.updated_bytes + POINTER_BYTES)))


def _after(profile: PageProfile, free: float, size: int) -> float:
    """Return the free space after a stripe of `size` rows, once its old versions are pruned."""
    in_place = min(size, _fitting(profile, free))
    return free - in_place * (profile.updated_bytes + POINTER_BYTES) + size * profile.row_bytes


@lru_cache(maxsize=256)
def residues(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the stripe of each line pointer modulo `RESIDUES`, every stretch of them shared out by the sizes."""
    total, given = sum(sizes), [0] * len(sizes)
    stripes = []
    for place in range(1, RESIDUES + 1):
        stripe = max(range(len(sizes)), key=lambda number: sizes[number] * place / total - given[number])
        given[stripe] += 1
        stripes.append(stripe)
    return tuple(stripes)


def mask(sizes: tuple[int, ...], stripe: int) -> int:
    """Return a signed 64-bit number with a bit for each residue of a stripe."""
    bits = sum(1 << place for place, residue in enumerate(residues(sizes)) if residue == stripe)
    return bits - (1 << RESIDUES) if bits >> (RESIDUES - 1) else bits
