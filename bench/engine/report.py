"""The tables: one for each scenario, and one of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.engine.contenders import Contender
from bench.engine.figures import Line, Rounds, lines
from bench.engine.scenario import MB, Scenario

HEAD = (
    f"{'':36}{'speed':>7}{'time':>10}{'WAL B/row':>11}{'/plain':>8}{'/keyset':>9}{'HOT':>6}{'table':>8}{'indexes':>9}"
    f"{'decile':>8}{'p99':>9}{'rows/tx':>13}{'CPU/100k':>10}{'memory':>9}"
)
LEGEND = """\
speed      time of the plain UPDATE of the same round to this one's; above 1 is faster
/plain     WAL a row to that of the plain UPDATE, /keyset to that of batches by primary key, of the same round
table      growth of the heap, indexes of all indexes
decile     time a row of the last tenth of the rows to that of the first tenth
p99        time of a transaction that one in a hundred exceeds
rows/tx    most rows that one transaction wrote, in any round, counted by xmin afterwards
CPU/100k   CPU seconds of the worker for 100,000 rows; memory: the most that was resident"""
NONE = "-"


def table(contenders: Sequence[Contender], rounds: Rounds) -> str:
    """Return a scenario's table."""
    titles = {one.name: one.title for one in contenders}
    return "\n".join([HEAD, *(_row(titles[line.name], line, rounds) for line in lines(rounds))])


def _row(title: str, line: Line, rounds: Rounds) -> str:
    figures = line.figures
    memory = None if figures.peak_bytes is None else figures.peak_bytes / MB
    rows_transaction = max(one.rows_transaction for one in rounds[line.name])
    return (
        f"{title:36}{_cell(line.speed_to_plain, 7)}{_cell(figures.took_s, 8)} s{figures.wal_bytes_row:>11,.0f}"
        f"{_cell(line.wal_to_plain, 8)}{_cell(line.wal_to_keyset, 9)}{figures.hot_ratio:>6.2f}"
        f"{figures.table_growth:>7.2f}x{_cell(figures.index_growth, 8, '.2fx')}{_cell(figures.decile_ratio, 8)}"
        f"{figures.batch_p99_s:>7.2f} s{rows_transaction:>13,}{_cell(figures.cpu_s_100k, 9, '.3fs')}"
        f"{_cell(memory, 6, '.0f MB')}"
    )


def _cell(value: float | None, width: int, form: str = ".2f") -> str:
    """Return a value in its width, and one more for a unit; the end of a form after the f is its unit."""
    number, letter, unit = form.partition("f")
    whole = width + len(unit)
    return f"{NONE:>{whole}}" if value is None else f"{value:>{width}{number}{letter}}{unit}"


def summary(contenders: Sequence[Contender], results: Mapping[str, Rounds], scenarios: Sequence[Scenario]) -> str:
    """Return speed and WAL to the plain UPDATE: scenarios down, contenders across."""
    names = [one.name for one in contenders]
    head = f"{'speed · WAL, to plain':24}" + "".join(f"{name:>14}" for name in names)
    rows = [head]
    for scenario in scenarios:
        found = {line.name: line for line in lines(results[scenario.name])}
        rows.append(f"{scenario.name:24}" + "".join(f"{_pair(found.get(name)):>14}" for name in names))
    return "\n".join(rows)


def _pair(line: Line | None) -> str:
    if line is None or line.speed_to_plain is None or line.wal_to_plain is None:
        return NONE
    return f"{line.speed_to_plain:.2f} · {line.wal_to_plain:.2f}"
