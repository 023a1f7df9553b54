"""The trigger of `sync: trigger`: its names, and when a proof may rely on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from backfill.values.identifier import BYTES_MAX

SETTING = "backfill.sync_function"
"""The setting by which a worker's session shows that it fills rows itself: the function of that name does nothing."""
HASH_CHARACTERS = 8
_FIRST, _LAST_Z = 3, 12


def function_name(job: str) -> str:
    """Return the name of the job's function, and of its sequence, in schema backfill."""
    return _fitted(f"sync_{job}")


def trigger_name(job: str, others: Iterable[str]) -> str | None:
    """Return a name that sorts behind all `others`, as triggers fire in the order of their names; None if none does."""
    last = max((name.encode() for name in others), default=b"")
    names = (_fitted(f"{'z' * count}_backfill_{job}") for count in range(_FIRST, _LAST_Z))
    return next((name for name in names if name.encode() > last), None)


def _fitted(name: str) -> str:
    """Return the name itself, or a part of it that fits and is its own; a job's name is ASCII."""
    if len(name) <= BYTES_MAX:
        return name
    return f"{name[: BYTES_MAX - HASH_CHARACTERS - 1]}_{sha256(name.encode()).hexdigest()[:HASH_CHARACTERS]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """The trigger on one table. `identity` changes with whatever anybody does to it or to its function.

    `conditional`: its WHEN is the whole of `where`. `rows_missed` counts writes that it could not fill,
    `rows_missed_before` those of before it was made; None if that cannot be read.
    """

    identity: str
    always: bool
    last: bool
    as_made: bool
    conditional: bool
    rows_missed: int | None
    rows_missed_before: int | None

    @property
    def complete(self) -> bool:
        """Whether no write since it was made can have left a row that matches `where`."""
        return (
            self.always
            and self.last
            and self.as_made
            and self.conditional
            and self.rows_missed is not None
            and self.rows_missed == self.rows_missed_before
        )


def held(before: SyncState | None, after: SyncState | None) -> bool:
    """Whether no row came to match between two looks: the trigger was there all the time, and filled every write."""
    return before is not None and before == after and before.complete
