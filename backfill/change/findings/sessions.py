"""Findings about who else is there: other jobs, a pooler between us and the server, connections."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.change.findings.facts import PlanFacts
from backfill.change.findings.finding import Finding, listed, stop, warn


def other_jobs(facts: PlanFacts) -> Iterator[Finding]:
    """Yield jobs on the same table that are not done."""
    for job in facts.others:
        both = f" and sets {listed(job.columns)}, too" if job.columns else ""
        if job.state == "running":
            wait = "a run waits until it has ended"
            yield warn("other-job", f"job {job.name} works on {facts.table}{both}", wait)
        else:
            yield warn(
                "other-job", f"job {job.name} on {facts.table} is {job.state}{both}", "end it first, or forget it"
            )


def earlier_jobs(facts: PlanFacts) -> Iterator[Finding]:
    """Yield jobs that must be done before this one and are not."""
    for job in facts.earlier:
        if job.state != "done":
            stands = f"is {job.state}" if job.state else "has never run in this database"
            yield stop(
                "after", f"job {job.name} {stands}, and this job comes after it", "run that one to its end first"
            )


def pooler(facts: PlanFacts) -> Iterator[Finding]:
    """Yield a pooler: in session mode it works, and may still close what it thinks is idle."""
    if facts.server.pooled:
        yield warn(
            "pooler",
            "a pooler is between this host and the server: its limits on idle and long sessions end a job's session",
            "give a DSN of the server itself",
        )


def connections(facts: PlanFacts) -> Iterator[Finding]:
    """Yield a CONNECTION LIMIT under which a run does without something."""
    if facts.measured is not None and facts.measured.connections_tight:
        yield warn("connection-limit", facts.measured.connections_tight)
