"""What a person can do about a job as it stands: one imperative for each state and for each kind of wait."""

from __future__ import annotations

import re

from backfill.request.answer import AGAIN, START
from backfill.throttle.wait_reason import WaitKind

WAITS: dict[WaitKind, str | None] = {
    WaitKind.WINDOW: None,
    WaitKind.WAL_RATE: None,
    WaitKind.REST: None,
    WaitKind.LAG: "it continues by itself; if it lasts, look at the replica: a long query may stop replay",
    WaitKind.LAG_BYTES: "it continues by itself; if it lasts, look at the replica, its link and other writers",
    WaitKind.MISSING: "start the replica; if it is gone for good: backfill tune JOB replicas.ignore=NAME",
    WaitKind.BLIND: "make it readable, or remove its limit from the job file: nothing starts while it is unknown",
    WaitKind.SLOT: "start the consumer of the slot, or drop the slot",
    WaitKind.ARCHIVE: "look at archive_command and its target; pg_stat_archiver has the last failure",
    WaitKind.BLOCKED: "it continues by itself; if it comes again: backfill tune JOB batch.target_time=100ms",
    WaitKind.VACUUM: "let it finish: it has priority",
    WaitKind.PROBE: "it is your own limit: bring the value down, or change the probe in the job file",
    WaitKind.LOAD: "it continues when the server is less busy; or raise max_active_sessions in the job file",
    WaitKind.PAUSED: "to continue: backfill resume JOB",
    WaitKind.SCHEDULE: "it continues by itself; to let it work now: backfill resume JOB --for 2h",
    WaitKind.AFTER: "it starts when that job is done; to see how that one stands: backfill status",
    WaitKind.LOCK: "it continues when the other worker ends",
    WaitKind.RETRY: "it tries again by itself; to try now: backfill resume JOB",
    WaitKind.CONNECTION: "look at the server and the way to it; it connects again by itself",
}
"""None for the ordinary pace."""

STATES: dict[str, str] = {
    "abandoned": f"its worker is gone; start another one, which resumes at the checkpoint: {START}",
    "stopped": f"to continue at the checkpoint: {START}",
    "cancelled": f"to start it again: {AGAIN}; to remove its state: backfill forget JOB",
    "failed": f"remove the cause, then continue at the checkpoint: {START}",
    "halted": f"remove the cause, then continue at the checkpoint: {START}",
    "unconverged": "exclude these rows by 'where', or fill them otherwise",
}
_JOB = re.compile(r"\bJOB\b(?!\.yaml)")
REJECTED = "fix the rejected rows, then run: backfill retry-rejected JOB.yaml"


def next_step(job: str, state: str, waits_for: str | None, rows_rejected: int) -> str | None:
    """Return what helps a job in this state, which may wait for something; None if there is nothing to do."""
    step = STATES.get(state)
    if step is None and waits_for in set(WaitKind):
        step = WAITS[WaitKind(waits_for)]
    if state == "unconverged" and rows_rejected:
        step = REJECTED
    return None if step is None else _JOB.sub(lambda _: job, step)
