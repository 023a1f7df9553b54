"""What a run would do, before it does anything: the table, findings about it, its cost, and the SQL."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from backfill.change.findings.finding import Finding, FindingLevel
from backfill.events.measurement import Measurement, Place
from backfill.events.wal_forecast import Forecast
from backfill.table.estimate.row_sample import RowEstimate


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured, plainly at several places and once with compression; the texts say why not.

    `image_ratio` is how large a compressed image is against a plain one, `index_image_ratio` one of an index page.
    """

    places: tuple[Place, ...] = ()
    compressed: Measurement | None = None
    image_ratio: float | None = None
    index_image_ratio: float | None = None
    unmeasured: str = ""
    uncompressed: str = ""

    @property
    def images(self) -> int:
        """Full-page images that the measured pages have paid for, until the next checkpoint."""
        measured = [place.measured for place in self.places] + ([self.compressed] if self.compressed else [])
        return sum(measurement.images for measurement in measured)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTable:
    """The table, with its indexes in `total_bytes`; its leaves if it has several, the first ones with their bytes.

    The key, the costs and the SQL are those of one leaf, `shown`: the largest, or if that has no row to do, the one
    with most of them.
    """

    name: str
    pages: int
    size_bytes: int
    total_bytes: int
    rows: int
    key: tuple[str, ...]
    shown: str
    leaf_count: int = 1
    leaves: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RowsToDo:
    """Rows that match `where`, by the pages that were read of all; None if none could be, for the reason `why`.

    A reading that ended early says `why`, too.
    """

    estimate: RowEstimate | None
    pages_read: int
    pages: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class PlannedLayout:
    """How a run would go through windows here and there in the table, and the most stripes that one of them has."""

    stripes: int
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlannedSql:
    """The statements under their titles, and the server's plan of a batch."""

    statements: tuple[tuple[str, str], ...]
    explained: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The answer of `backfill plan`. `findings` are for a person to weigh; errors were raised before.

    `samples` are rows as the job's function would set them. `window` are its time windows, and whether one is open now.
    """

    job: str
    table: PlannedTable
    to_do: RowsToDo
    foreseen: bool
    replicas: tuple[str, ...]
    layout: PlannedLayout
    costs: Costs
    forecast: Forecast | None
    max_wal_rate_bytes_s: int
    findings: tuple[Finding, ...]
    samples: tuple[str, ...]
    sql: PlannedSql
    window: tuple[str, ...] = ()

    @property
    def against(self) -> tuple[str, ...]:
        """What speaks against the run as it is: the reasons of all findings that are not ok."""
        return tuple(finding.reason for finding in self.findings if finding.level is not FindingLevel.OK)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON values."""
        return asdict(self)
