"""All that the state schema keeps of a job, as a report shows it: by then the job may be long done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backfill.events.history.span import HistorySpan
from backfill.table.batch import Verification


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """A span with its beginning."""

    at: datetime
    span: HistorySpan


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """What a person asked of the job."""

    at: datetime
    role: str
    client: str | None
    action: str
    until: datetime | None
    reason: str | None
    limits: str | None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """What the job wrote down: a wait, a change of layout, a vacuum, an end."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class ProofRecord:
    """How a table of the job was verified; None while it is not."""

    leaf: str
    at: datetime | None
    proof: Verification | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHistory:
    """A job and its history; `points` are `span_s` apart, ascending, without those in which nothing happened.

    `settings` are the job's keys with their values as text, `finish` the steps of `backfill finish`. `table_bytes` is
    the size of the table now, None if it is gone or cannot be seen; `pages` is how large it was when the run began.
    """

    job: str
    table: str
    state: str
    reason: str | None
    read_at: datetime
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    rows_total: int
    rows_unconverged: int
    rows_rejected: int
    wal_bytes: int
    passes: int
    pages: int
    table_bytes: int | None
    samples: tuple[str, ...]
    rejected: tuple[str, ...]
    finish: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]
    span_s: int
    points: tuple[HistoryPoint, ...]
    requests: tuple[RequestRecord, ...]
    events: tuple[EventRecord, ...]
    proofs: tuple[ProofRecord, ...]
