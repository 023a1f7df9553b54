"""What a run would do, before it does anything: the table, notices about it, its cost, and the SQL."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One batch that was run and rolled back: whole pages, as a job with one stripe takes them.

    `wal_bytes` includes what others wrote meanwhile; `images_bytes` of it are `images` full-page images and whatever
    else is not written again if the batch is repeated. `compression` is the method of the images.
    """

    first_page: int
    last_page: int
    rows: int
    rows_unconverged: int
    rows_hot: int
    wal_bytes: int
    took_s: float
    images: int = 0
    images_bytes: int = 0
    compression: str | None = None

    @property
    def row_wal_bytes(self) -> float:
        """WAL of a row."""
        return self.wal_bytes / max(1, self.rows)

    @property
    def row_images_bytes(self) -> float:
        """Full-page images of a row."""
        return self.images_bytes / max(1, self.rows)

    @property
    def image_bytes(self) -> float | None:
        """WAL of one image; None if the pages already had theirs since the last checkpoint."""
        return self.images_bytes / self.images if self.images and self.images_bytes else None

    @property
    def row_records_bytes(self) -> float:
        """What a row costs regardless of checkpoints."""
        return self.row_wal_bytes - self.row_images_bytes


@dataclass(frozen=True, slots=True)
class Forecast:
    """A whole job by one measurement: its WAL, and how long that takes at `max_wal_rate`."""

    wal_bytes: int
    at_max_wal_rate_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastInputs:
    """What a job's WAL depends on besides its rows: the table with its indexes, and the WAL between two checkpoints."""

    rows: int
    total_bytes: int
    checkpoint_bytes: float
    max_wal_rate_bytes_s: int


def image_ratio(plain: Measurement | None, compressed: Measurement | None) -> float | None:
    """Return the size of a compressed image relative to a plain one; None if one of them was not measured.

    Per image, because the first batch may have paid for pages that the second one meets, above all of indexes.
    """
    if plain is None or compressed is None or plain.image_bytes is None or compressed.image_bytes is None:
        return None
    return compressed.image_bytes / plain.image_bytes


def forecast(inputs: ForecastInputs | None, plain: Measurement | None, ratio: float = 1.0) -> Forecast | None:
    """Return what the rows cost, with each image compressed to `ratio`; None if too little is known.

    A page has one image between two checkpoints, whatever a small batch of scattered rows paid for each row of it.
    """
    if inputs is None or plain is None:
        return None
    records_bytes = inputs.rows * plain.row_records_bytes
    images_bytes = inputs.rows * plain.row_images_bytes
    if inputs.total_bytes < inputs.checkpoint_bytes:  # otherwise a checkpoint interval could write more than it spans
        once = inputs.total_bytes * (1 + records_bytes / inputs.checkpoint_bytes)
        images_bytes = min(images_bytes, once / (1 - inputs.total_bytes / inputs.checkpoint_bytes))
    wal_bytes = round(records_bytes + images_bytes * ratio)
    return Forecast(wal_bytes, wal_bytes / inputs.max_wal_rate_bytes_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What was measured, plainly and with compression; `unmeasured` and `uncompressed` say why not."""

    plain: Measurement | None = None
    compressed: Measurement | None = None
    unmeasured: str = ""
    uncompressed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The answer of `backfill plan`. `notices` are for a person to weigh; errors were raised before.

    Of several leaves the first ones are listed with their bytes; the key, the notices and the SQL are those of the
    largest one, `shown`.
    `rows_to_do` is the planner's estimate of rows that match, None where the table was never analysed. `layouts` are
    those of windows here and there in the table, `stripes` the most that one of them has. `total_bytes` is the table
    with its indexes.
    """

    job: str
    table: str
    pages: int
    size_bytes: int
    total_bytes: int
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
    image_ratio: float | None
    max_wal_rate_bytes_s: int
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
