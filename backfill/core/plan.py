"""What a run would do, before it does anything: the table, what was noticed about it, and the SQL."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer of `backfill plan`. `notices` are for a person to weigh; errors were raised before.

    Of several leaves the first ones are listed with their bytes; the key, the notices and the SQL are those of the
    largest one, `shown`.
    """

    job: str
    table: str
    pages: int
    size_bytes: int
    rows_estimated: int
    key: tuple[str, ...]
    foreseen: bool
    replicas: tuple[str, ...]
    notices: tuple[str, ...]
    samples: tuple[str, ...]
    statements: tuple[tuple[str, str], ...]
    explained: str
    shown: str
    leaf_count: int = 1
    leaves: tuple[tuple[str, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON values."""
        return asdict(self)
