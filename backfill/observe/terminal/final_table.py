"""The table at the end of a run: what was done, what it cost, and whether it is verified."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group
from rich.text import Text

from backfill.events.job import Finished
from backfill.observe.notices import SEVERITIES, Severity, count_rows
from backfill.observe.terminal.glyphs import UNICODE, Glyphs
from backfill.observe.terminal.sparkline import budget_style, share
from backfill.values.units import format_duration, format_size

SAMPLES = 5
VERIFIED = frozenset({"done", "unconverged"})
"""States that follow a read of the whole table."""


def final_table(
    finished: Finished, *, budget_s: float, extra: Mapping[str, str] | None = None, glyphs: Glyphs = UNICODE
) -> Group:
    """Return the table; `extra` adds lines that the worker cannot know, such as the table's growth."""
    tone = SEVERITIES.get(finished.state, Severity.BAD)
    head = Text.assemble((glyphs.clean(finished.job), "bold"), "  ", (finished.state, f"bold {tone}"))
    head.append(f" in {format_duration(finished.elapsed_s)}")
    rows = [*_costs(finished, budget_s)]
    rows += [(glyphs.clean(label), Text(glyphs.clean(value))) for label, value in (extra or {}).items()]
    rows.append(("verified", _verification(finished)))
    if finished.state not in VERIFIED:
        rows.append(("why", Text(glyphs.clean(finished.cause), tone)))
    rows += [
        ("such as" if index == 0 else "", Text(glyphs.clean(key)))
        for index, key in enumerate(finished.samples[:SAMPLES])
    ]
    rows += [
        ("rejected" if index == 0 else "", Text(glyphs.clean(row), Severity.WARN))
        for index, row in enumerate(finished.rejected[:SAMPLES])
    ]
    width = max(len(label) for label, _ in rows)
    lines = [Text.assemble((f"  {label:<{width}}  ", "dim"), value) for label, value in rows]
    return Group(*(Text(" ").append_text(line) for line in (head, *lines)))


def _costs(finished: Finished, budget_s: float) -> list[tuple[str, Text]]:
    worst = format_duration(finished.worst_lag_s) if finished.worst_lag_s > 0 else "none seen"
    lag = Text(worst, budget_style(share(finished.worst_lag_s, budget_s)))
    lag.append(f", budget {format_duration(budget_s)}", "default")
    wal = format_size(finished.wal_bytes)
    if finished.rows_total:
        wal += f", {finished.wal_bytes / finished.rows_total:,.0f} bytes a row"
    return [
        ("rows", Text(f"{finished.rows_total:,}")),
        ("passes", Text(str(finished.passes))),
        ("worst lag", lag),
        ("WAL", Text(wal)),
    ]


def _verification(finished: Finished) -> Text:
    if finished.state == "done":
        return Text("no row matches `where` any longer", Severity.GOOD)
    if finished.state == "unconverged":
        left = [f"{count_rows(finished.rows_unconverged)} still match, and no pass can change that"]
        if finished.rows_rejected:
            rejected = f"{count_rows(finished.rows_rejected)} rejected by the server, kept in backfill.rejected"
            left = [*left[: finished.rows_unconverged > 0], rejected]
        return Text("; ".join(left), Severity.WARN)
    return Text("not yet", "dim")
