"""The judge of a round: what was found at its end, and which of the promises that breaks. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Broken(StrEnum):
    """What may be broken; the words of the summary."""

    WRONG_ROW = "wrong row"
    TWICE = "updated twice"
    DISAGREE = "checkpoint and data disagree"
    JOB = "job is not done"
    PROOF = "proof is missing"
    PLACE = "place is not at the end"
    LEFT_BEHIND = "left behind"
    AWAY = "batch while a replica was away"
    EXIT = "exit code"
    UNTOLD = "wait without reason"
    TRACEBACK = "traceback"
    PASSWORD = "password in output"
    LATE = "not in time"


@dataclass(frozen=True)
class Violation:
    """One broken promise, and what shows it."""

    kind: Broken
    text: str


@dataclass(frozen=True)
class Exit:
    """How a worker ended, and how it may have."""

    code: int
    expected: tuple[int, ...]
    what: str = ""


@dataclass(frozen=True)
class Counted:
    """Rows by the checkpoint and by the audit, under one snapshot."""

    checkpoint: int
    audit: int
    at_s: float = 0.0


@dataclass(frozen=True)
class Absence:
    """Batches that were committed while a counted replica was away; as many as `in_flight` had been let through."""

    replica: str
    batches: int
    in_flight: int


@dataclass(frozen=True)
class Scanned:
    """A checkpoint of a leaf that is in the tree still."""

    leaf: str
    lane: int
    proven: bool
    at_end: bool


@dataclass(frozen=True)
class Evidence:
    """Everything that was found. Rows are (id, what was there), a few of them; counts are whole."""

    wrong_rows: int = 0
    wrong: tuple[str, ...] = ()
    twice_rows: int = 0
    twice: tuple[str, ...] = ()
    counted: tuple[Counted, ...] = ()
    job_state: str | None = "done"
    job_reason: str | None = None
    scans: tuple[Scanned, ...] = ()
    left_behind: tuple[str, ...] = ()
    absences: tuple[Absence, ...] = ()
    exits: tuple[Exit, ...] = ()
    untold: tuple[str, ...] = ()
    tracebacks: tuple[str, ...] = ()
    passwords: tuple[str, ...] = ()
    late: tuple[str, ...] = ()


def judge(found: Evidence) -> tuple[Violation, ...]:
    """Return the broken promises, the worst first."""
    return (*_rows(found), *_state(found), *_behaviour(found), *_words(found))


def _rows(found: Evidence) -> Iterator[Violation]:
    if found.wrong_rows:
        yield Violation(Broken.WRONG_ROW, f"{found.wrong_rows} rows are not filled right: {'; '.join(found.wrong)}")
    if found.twice_rows:
        yield Violation(Broken.TWICE, f"{found.twice_rows} rows: {'; '.join(found.twice)}")
    apart = [one for one in found.counted if one.checkpoint != one.audit]
    if apart:
        text = f"{apart[0].checkpoint} rows by the checkpoint, {apart[0].audit} by the audit"
        yield Violation(Broken.DISAGREE, f"{text} ({len(apart)} readings differ)")


def _state(found: Evidence) -> Iterator[Violation]:
    if found.job_state != "done":
        yield Violation(Broken.JOB, f"state {found.job_state}: {found.job_reason}")
    elif found.job_reason != "every row is filled":
        yield Violation(Broken.JOB, f"done, for the reason {found.job_reason!r}")
    if not found.scans:
        yield Violation(Broken.PROOF, "no leaf has a checkpoint")
    for scan in found.scans:
        if not scan.proven:
            yield Violation(Broken.PROOF, f"leaf {scan.leaf} lane {scan.lane}")
        if not scan.at_end:
            yield Violation(Broken.PLACE, f"leaf {scan.leaf} lane {scan.lane}")
    for one in found.left_behind:
        yield Violation(Broken.LEFT_BEHIND, one)


def _behaviour(found: Evidence) -> Iterator[Violation]:
    for absence in found.absences:
        if absence.batches > absence.in_flight:
            text = f"{absence.replica}: {absence.batches} batches, {absence.in_flight} may have been in flight"
            yield Violation(Broken.AWAY, text)
    for ended in found.exits:
        if ended.code not in ended.expected:
            yield Violation(Broken.EXIT, f"{ended.code} and not {' or '.join(map(str, ended.expected))}: {ended.what}")
    for text in found.late:
        yield Violation(Broken.LATE, text)


def _words(found: Evidence) -> Iterator[Violation]:
    told = ((Broken.UNTOLD, found.untold), (Broken.TRACEBACK, found.tracebacks), (Broken.PASSWORD, found.passwords))
    for kind, texts in told:
        for text in texts:
            yield Violation(kind, text)
