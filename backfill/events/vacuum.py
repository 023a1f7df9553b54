"""What our VACUUMs did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumStarted:
    """A VACUUM of the table begins alongside the batches: `moved` row versions left their page since the last one."""

    job: str
    moved: int
    cost_limit: int
    cost_delay_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumDone:
    """Our VACUUM ended: `result` is done, stopped or failed; `why` explains the latter two.

    `removed` row versions freed their space, `held` ones are kept by older snapshots; None if not known.
    """

    job: str
    result: str
    why: str
    took_s: float
    removed: int | None
    held: int | None
    wal_bytes: int | None


@dataclass(frozen=True, slots=True)
class VacuumNotPermitted:
    """This role may not vacuum the table; `why` has the GRANT. Recorded once a run, which continues without vacuum."""

    job: str
    why: str
