"""What two plays of a case have to have in common: a pure function over what each left."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from enum import Enum

from tests.differential.case import Case

Rows = dict[str, tuple[str, ...]]
"""Each table's rows as canonical texts, sorted."""
HALTED = re.compile(r"\brun(:| what this prints:) ")
"""What a missing right of the role is told with, before anything is touched: the statement that gives it."""
LOCATED = re.compile(r"\S*job\.yaml:\d+:\d+: \S")


class Kind(Enum):
    """How a job can differ from the plain UPDATE, the worst first."""

    VALUES = "the job is done, and its rows are not those of the plain UPDATE"
    SURVIVED = "the job is done, and the plain UPDATE fails"
    PARTIAL = "the job failed, and left rows that no UPDATE of single rows would leave"
    BROKEN = "the job ended with an error that is our bug"
    ENDLESS = "the job did not end in time"
    TOUCHED = "the job was refused after it had touched something"
    REFUSED = "the job was refused, and has to be done"
    UNLOCATED = "the job was refused without a position in the job file"
    FAILED = "the job failed, and the plain UPDATE works"
    COMPLAINED = "the job failed, although its rows are those of the plain UPDATE"


@dataclass(frozen=True)
class Left:
    """What a play left: rows, whether there is a state schema, and the tables of the job's tree."""

    rows: Rows
    has_state: bool
    tree: frozenset[str]


@dataclass(frozen=True)
class End:
    """How a play ended. `exit_code` is the job's, or 0 or 1 of the plain UPDATE; None where the job had no end."""

    exit_code: int | None
    said: str


@dataclass(frozen=True)
class Played:
    """A case after both plays. `rowwise` is what UPDATEs of single rows left; None where the plain one worked."""

    start: Left
    plain_end: End
    plain: Left
    job_end: End
    job: Left
    rowwise: Left | None = None


@dataclass(frozen=True)
class Difference:
    """One difference, and what shows it."""

    kind: Kind
    shown: str

    def __str__(self) -> str:
        return f"{self.kind.value}\n{self.shown}"


def compare(case: Case, played: Played) -> Difference | None:
    """Return how the job differs from the plain UPDATE, if it does."""
    end, compared = played.job_end, _tables_compared(case, played)
    said = f"the plain UPDATE: {played.plain_end.said}\nthe job: {end.said}"
    unlike = _unlike(played.plain.rows, played.job.rows, compared)
    if end.exit_code is None:
        return Difference(Kind.ENDLESS if end.said.startswith("no end") else Kind.BROKEN, end.said)
    if end.exit_code == 2 or (end.exit_code == 4 and HALTED.search(end.said) and not played.job.has_state):
        return _refused(case, played, compared, said)
    if played.plain_end.exit_code:
        return _both_failed(case, played, said)
    if any(one.said and one.said in end.said for one in case.exemptions):
        return _in_part(played, played.plain, said)
    if end.exit_code in (0, 3):
        return Difference(Kind.VALUES, f"{said}\n{unlike}") if unlike else None
    return Difference(Kind.FAILED if unlike else Kind.COMPLAINED, f"{said}\n{unlike}".rstrip())


def _refused(case: Case, played: Played, compared: list[str], said: str) -> Difference | None:
    changed = _unlike(played.start.rows, played.job.rows, compared)
    changed += "the state schema was created\n" if played.job.has_state else ""
    if changed:
        return Difference(Kind.TOUCHED, f"{said}\n{changed}")
    if not case.may_be_refused and not played.plain_end.exit_code:
        return Difference(Kind.REFUSED, said)
    return (
        None
        if played.job_end.exit_code == 4 or LOCATED.match(played.job_end.said)
        else Difference(Kind.UNLOCATED, said)
    )


def _both_failed(case: Case, played: Played, said: str) -> Difference | None:
    """Earlier batches of a job that failed stay: of each row either none or all of what its own UPDATE would do."""
    skips = dict(case.keys).get("on_row_error") == "skip"
    if played.job_end.exit_code in ((0,) if skips else (0, 3)):
        return Difference(Kind.SURVIVED, said)
    assert played.rowwise is not None, "the plain UPDATE failed"
    return _in_part(played, played.rowwise, said)


def _in_part(played: Played, whole: Left, said: str) -> Difference | None:
    for table in sorted(played.start.tree):
        known = {*played.start.rows[table], *whole.rows[table]}
        if odd := [row for row in played.job.rows.get(table, ()) if row not in known]:
            return Difference(Kind.PARTIAL, f"{said}\n{table}: {odd[0]}")
    return None


def _tables_compared(case: Case, played: Played) -> list[str]:
    exempt = frozenset[str]().union(*(one.tables for one in case.exemptions))
    return sorted((played.plain.rows.keys() | played.job.rows.keys()) - exempt)


def _unlike(expected: Rows, found: Rows, tables: list[str]) -> str:
    """Return the first rows of each table that only one side has, as text; nothing where they are equal."""
    lines: list[str] = []
    for table in tables:
        before, after = Counter(expected.get(table, ())), Counter(found.get(table, ()))
        if before == after:
            continue
        lacking, extra = sorted((before - after).elements()), sorted((after - before).elements())
        lines.append(f"{table}: {len(lacking)} rows missing, {len(extra)} rows too many; for example")
        lines += [f"  expected {row}" for row in lacking[:2]] + [f"  found    {row}" for row in extra[:2]]
    return "".join(f"{line}\n" for line in lines)
