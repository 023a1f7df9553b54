"""How a verified job ended: one word, and a sentence that says what is left and why."""

from __future__ import annotations

from backfill.jobfile.job import Job
from backfill.table.batch import Verification


def job_outcome(job: Job, found: Verification) -> tuple[str, str]:
    """Return `done` or `unconverged`, and why."""
    if found.rows_left == 0:
        return "done", "every row is filled"
    stuck, parts = found.rows_left - found.rows_rejected, []
    if stuck > 0:
        examples = ", ".join(found.samples)
        parts.append(f"{stuck:,} rows cannot converge: {_cause(job, found, stuck)}; for example {examples}")
    if found.rows_rejected:
        parts.append(f"{rejected_rows(found.rows_rejected)}; for example {'; '.join(found.rejected)}")
    return "unconverged", "; ".join(parts)


def rejected_rows(rows: int) -> str:
    """Return how many rows the server rejected, and where they are."""
    were = "row was" if rows == 1 else "rows were"
    return f"{rows:,} {were} rejected by the server, kept in backfill.rejected"


def _cause(job: Job, found: Verification, stuck: int) -> str:
    alone = found.rows_without_partner
    if job.using is None or alone == 0:
        return "'where' stays true for them after the update"
    if alone == stuck:
        return f"they have no partner in {job.using.table}"
    return f"{alone:,} have no partner in {job.using.table}, for the others 'where' stays true after the update"
