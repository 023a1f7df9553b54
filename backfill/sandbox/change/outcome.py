"""The verdict on a change: errors of either version, their latency, and a comparison of all rows on both servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Group
from rich.text import Text

from backfill.observe.notices import Severity
from backfill.sandbox.change.application import ERRORS_SHOWN, Observations
from backfill.sandbox.change.latency import LatencyComparison
from backfill.values.units import format_duration


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one server has: its rows, those that are not as their revision says, and the sum of all revisions."""

    server: str
    rows: int
    rows_wrong: int
    revisions: int

    def faults(self, expected_rows: int, expected_revisions: int) -> int:
        """Return how many rows are wrong, missing or too many, and how many updates are lost."""
        return self.rows_wrong + abs(self.rows - expected_rows) + abs(self.revisions - expected_revisions)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOutcome:
    """How a change ended."""

    title: str
    elapsed_s: float
    rows: int
    versions: dict[str, Observations]
    latency: dict[str, LatencyComparison | None]
    compared: tuple[Comparison, ...]

    @property
    def written(self) -> Counter[str]:
        """What all versions wrote together."""
        return sum((seen.written for seen in self.versions.values()), Counter())

    @property
    def errors(self) -> int:
        """How many errors the versions saw."""
        return sum(len(seen.errors) for seen in self.versions.values())

    @property
    def rows_wrong(self) -> int:
        """How many rows are wrong, and updates lost, on all servers."""
        written = self.written
        rows = self.rows + written["inserts"] - written["deletes"]
        revisions = written["updates"] - written["deleted_revisions"]
        return sum(one.faults(rows, revisions) for one in self.compared)

    @property
    def good(self) -> bool:
        """Whether no version saw an error and no row is wrong."""
        return self.errors == 0 and self.rows_wrong == 0

    def shown(self) -> Group:
        """Return it as a table for people."""
        tone = Severity.GOOD if self.good else Severity.BAD
        head = Text.assemble(" ", (self.title, "bold"), "  ", ("done" if self.good else "failed", f"bold {tone}"))
        head.append(f" in {format_duration(self.elapsed_s)}")
        rows = tuple(self._lines())
        width = max(len(label) for label, _ in rows)
        return Group(head, *(Text.assemble((f"   {label:<{width}}  ", "dim"), text) for label, text in rows))

    def _lines(self) -> Iterator[tuple[str, str]]:
        for name, seen in self.versions.items():
            yield f"{name} version", f"{len(seen.errors):,} errors of {len(seen.samples):,} statements"
            yield from (("", error) for error in seen.errors[:ERRORS_SHOWN])
            yield "", _latency(self.latency[name])
        updates = self.written["updates"]
        for one in self.compared:
            yield "wrong", f"{one.rows_wrong:,} of {one.rows:,} rows on {one.server}, all compared"
        lost = "none lost" if self.rows_wrong == 0 else "rows or updates are missing"
        yield "updates", f"{updates:,} by both versions, {lost}"


def _latency(compared: LatencyComparison | None) -> str:
    if compared is None:
        return "too few statements to compare"
    p50 = f"p50 {_ms(compared.calm_p50_s)} calm, {_ms(compared.change_p50_s)} during the change"
    p99 = f"p99 {_ms(compared.calm_p99_s)} calm, {_ms(compared.change_p99_s)} during the change"
    return f"{p50}; {p99}; {compared.ratio:.2f} times in spells beside each other (median of {compared.pairs})"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}ms"
