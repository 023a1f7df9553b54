"""What a run would do, before it does anything: the table, what was noticed about it, what it costs, and the SQL."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Measurement:
    """One batch that was run and rolled back: whole pages, as a job with one stripe takes them.

    `wal_bytes` has what others wrote meanwhile in it; `compression` is the method of its full-page images.
    """

    first_page: int
    last_page: int
    rows: int
    rows_unconverged: int
    rows_hot: int
    wal_bytes: int
    took_s: float
    compression: str | None = None

    @property
    def row_wal_bytes(self) -> float:
        """WAL of a row."""
        return self.wal_bytes / max(1, self.rows)


@dataclass(frozen=True, slots=True)
class Forecast:
    """A whole job by one measurement: its WAL, that at `max_wal_rate`, and its UPDATEs one after another."""

    wal_bytes: int
    at_max_wal_rate_s: float
    updating_s: float


def forecast(rows: int | None, measured: Measurement | None, max_wal_rate_bytes_s: int) -> Forecast | None:
    """Return what so many rows cost; None where the rows are not known, or what one costs."""
    if rows is None or measured is None:
        return None
    wal_bytes = round(rows * measured.row_wal_bytes)
    return Forecast(wal_bytes, wal_bytes / max_wal_rate_bytes_s, rows * measured.took_s / max(1, measured.rows))


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured, plainly and with compression; `unmeasured` and `uncompressed` say why not."""

    plain: Measurement | None = None
    compressed: Measurement | None = None
    unmeasured: str = ""
    uncompressed: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer of `backfill plan`. `notices` are for a person to weigh; errors were raised before.

    `rows_to_do` is the planner's estimate of rows that match, None where the table was never analysed. `layouts` are
    those of windows here and there in the table, `stripes` the most that one of them has.
    """

    job: str
    table: str
    pages: int
    size_bytes: int
    rows_estimated: int
    rows_to_do: int | None
    key: tuple[str, ...]
    foreseen: bool
    replicas: tuple[str, ...]
    stripes: int
    layouts: tuple[str, ...]
    costs: Costs
    forecast: Forecast | None
    forecast_compressed: Forecast | None
    max_wal_rate_bytes_s: int
    notices: tuple[str, ...]
    statements: tuple[tuple[str, str], ...]
    explained: str

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON values."""
        return asdict(self)
