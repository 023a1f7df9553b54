"""Events with sane defaults; keywords override."""

from backfill.core import events
from backfill.core.decision import Inputs
from backfill.core.reason import Kind, Reason

JOB = "users-handle"
HOLDER = "pod-1 (pid 42)"
PROBE = events.ProbeReading("active", 40.0, 50.0)
INPUTS = Inputs("replica-a", 0.4, 1 << 20, 3.0e6, 4.0e6, 450.0, 5.0e6, 4.0e6)


def started(**changed):
    values = {
        "job": JOB,
        "table": "public.users",
        "pages": 1000,
        "rows_estimated": 50_000,
        "resumed": False,
        "pass_number": 1,
        "progress_ratio": 0.0,
        "rows_total": 0,
        "max_lag_s": 10.0,
        "max_lag_bytes": 256 << 20,
        "max_wal_rate_bytes_s": 32 << 20,
    }
    return events.Started(**{**values, **changed})


def lock_waiting(**changed):
    return events.LockWaiting(**{"job": JOB, "holder": HOLDER, "waited_s": 1.0, **changed})


def lock_taken(**changed):
    return events.LockTaken(**{"job": JOB, "waited_s": 0.0, **changed})


def replica(name="replica-a", lag_s=0.4, lag_bytes=1 << 20, counted=True):
    return events.ReplicaReading(name, lag_s, lag_bytes, counted)


def slot(name="slot-a", retained_bytes=2 << 20, wal_status="reserved", unconfirmed_bytes=None):
    return events.SlotReading(name, retained_bytes, wal_status, unconfirmed_bytes)


def measured(*replicas, **changed):
    values = {
        "job": JOB,
        "replicas": replicas,
        "missing": (),
        "slots": (slot(),),
        "wal_rate_bytes_s": 5.0e6,
        "own_wal_rate_bytes_s": 4.0e6,
        "wal_budget_bytes": 3.0e6,
        "archive_backlog_bytes": 16 << 20,
    }
    return events.Measured(**{**values, **changed})


def waited(kind=Kind.LAG, text="replica-a lag 12.4s > 10s", delay_s=0.25, job=JOB):
    return events.Waited(job, Reason(kind, text), delay_s)


def batch_done(**changed):
    values = {
        "job": JOB,
        "pass_number": 1,
        "stripe": 0,
        "first_page": 0,
        "last_page": 99,
        "rows": 5000,
        "rows_unconverged": 0,
        "rows_hot": 4500,
        "wal_bytes": 1_600_000,
        "took_s": 0.2,
        "rows_total": 5000,
        "progress_ratio": 0.1,
        "eta_s": 42.0,
        "stripes": 8,
    }
    return events.BatchDone(**{**values, **changed})


def laid_out(**changed):
    values = {"lane": 0, "sizes": (3, 2, 1), "window_pages": 4096, "why": "3 stripes: a page has 61 rows"}
    return events.LaidOut(**{"job": JOB, **values, **changed})


def compressing(**changed):
    return events.Compressing(**{"job": JOB, "method": "zstd", "why": "WAL limits us", **changed})


def pass_done(**changed):
    return events.PassDone(**{"job": JOB, "pass_number": 1, "rows": 50_000, **changed})


def verified(**changed):
    return events.Verified(**{"job": JOB, "rows_left": 0, "rows_unconverged": 0, "took_s": 1.0, **changed})


def retried(**changed):
    values = {"job": JOB, "reason": "55P03", "message": "lock timeout", "attempt": 1, "delay_s": 0.1}
    return events.Retried(**{**values, **changed})


def batch_refused(**changed):
    values = {"lane": 0, "rows": 500, "rows_searched": 500, "reason": "23514", "message": "violates it\nDETAIL:  x"}
    return events.BatchRefused(**{"job": JOB, **values, **changed})


def row_rejected(**changed):
    values = {"leaf": "public.users", "key": '{"id": 7}', "reason": "23514", "message": "violates it\nDETAIL:  x"}
    return events.RowRejected(**{"job": JOB, "rows_rejected": 3, **values, **changed})


def row_retried(**changed):
    return events.RowRetried(**{"job": JOB, "leaf": "public.users", "key": '{"id": 7}', "result": "filled", **changed})


def table_rewritten(**changed):
    return events.TableRewritten(**{"job": JOB, "why": "VACUUM FULL", **changed})


def decided(**changed):
    values = {"job": JOB, "rows": 5000, "limited_by": "max_rows", "delay_s": 0.0, "inputs": INPUTS}
    return events.Decided(**{**values, **changed})


def tuned(*changes, **changed):
    values = {
        "job": JOB,
        "changes": changes,
        "max_lag_s": 5.0,
        "max_lag_bytes": 128 << 20,
        "max_wal_rate_bytes_s": 16 << 20,
        "statement_timeout_s": 30.0,
    }
    return events.Tuned(**{**values, **changed})


def unreplicated(**changed):
    return events.Unreplicated(**{"job": JOB, "max_wal_rate_bytes_s": 32 << 20, **changed})


def vacuum_started(**changed):
    return events.VacuumStarted(**{"job": JOB, "moved": 60_000, "cost_limit": 90, "cost_delay_ms": 2.0, **changed})


def vacuum_done(**changed):
    values = {
        "job": JOB,
        "result": "done",
        "why": "",
        "took_s": 1.5,
        "removed": 60_000,
        "held": 0,
        "wal_bytes": 1 << 20,
    }
    return events.VacuumDone(**{**values, **changed})


def vacuum_unable(**changed):
    return events.VacuumUnable(**{"job": JOB, "why": "vacuum: auto has no right; run: GRANT x;", **changed})


def stopping(**changed):
    return events.Stopping(**{"job": JOB, "signal": "SIGTERM", **changed})


def finished(**changed):
    values = {
        "job": JOB,
        "state": "done",
        "why": "every row is filled",
        "rows_total": 50_000,
        "rows_unconverged": 0,
        "passes": 2,
        "wal_bytes": 16_000_000,
        "worst_lag_s": 0.6,
        "elapsed_s": 30.0,
    }
    return events.Finished(**{**values, **changed})


def leaf_started(**changed):
    values = {
        "job": JOB,
        "leaf": "public.users_2",
        "number": 2,
        "leaves": 3,
        "pages": 400,
        "resumed": False,
        "pass_number": 1,
        "progress_ratio": 0.25,
        "rows_unconverged": 0,
    }
    return events.LeafStarted(**{**values, **changed})


def leaf_done(**changed):
    values = {"job": JOB, "leaf": "public.users_2", "number": 2, "leaves": 3, "rows_unconverged": 0}
    return events.LeafDone(**{**values, **changed})


def leaf_gone(**changed):
    why = "table 'public.users_2' was detached from 'public.users'"
    return events.LeafGone(**{"job": JOB, "leaf": "public.users_2", "why": why, **changed})


def one_of_each():
    """Every kind of event, in an order that can happen."""
    return (
        lock_waiting(),
        lock_taken(waited_s=2.0),
        started(),
        leaf_started(),
        unreplicated(),
        tuned("max_lag=5s"),
        measured(replica(), slots=(slot(unconfirmed_bytes=1 << 20),), probes=(PROBE,), dead_tuples=70),
        decided(),
        waited(),
        laid_out(),
        compressing(),
        batch_done(),
        vacuum_unable(),
        vacuum_started(),
        vacuum_done(),
        retried(),
        batch_refused(),
        row_rejected(),
        row_retried(),
        table_rewritten(),
        pass_done(),
        verified(),
        leaf_done(),
        leaf_gone(),
        stopping(),
        finished(),
    )
