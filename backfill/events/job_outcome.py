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
    """Return why rows cannot converge: one reason for all, or how many have which."""
    reasons = [
        (found.rows_without_partner if job.using else 0, f"have no partner in {job.using.table if job.using else ''}"),
        (found.rows_untold, "match still, and which of them the job has updated before is no longer known"),
        (found.rows_unreached, "are reached by no UPDATE (a trigger suppresses it, or they change meanwhile)"),
    ]
    causes = [(rows, why) for rows, why in reasons if rows]
    if not causes:
        return "'where' stays true for them after the update"
    if causes[0][0] == stuck:
        return f"they {causes[0][1]}"
    counted = ", ".join(f"{rows:,} {why}" for rows, why in causes)
    others = stuck - sum(rows for rows, _ in causes)
    return f"{counted}, for the others 'where' stays true after the update" if others > 0 else counted
