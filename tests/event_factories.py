"""Events with sane defaults; keywords override."""

from backfill.events.batch import BatchDone, BatchRefused, CompressionChanged, LayoutChanged, RowRejected, RowRetried
from backfill.events.ddl import DdlDone, DdlLockFailed, DdlProgress, DdlWaiting
from backfill.events.job import (
    Finished,
    LockTaken,
    LockWaiting,
    PassDone,
    PassRestarted,
    RetryScheduled,
    Started,
    Stopping,
    VerificationRestarted,
    Verified,
)
from backfill.events.leaf import LeafDone, LeafRemoved, LeafStarted
from backfill.events.sync import SyncTriggerMade, SyncTriggerRemoved
from backfill.events.throttle import LimitsChanged, NoReplicas, SignalsRead, ThrottleDecision, WaitStarted
from backfill.events.vacuum import VacuumDone, VacuumNotPermitted, VacuumStarted
from backfill.table.estimate.time_left import TimeLeft
from backfill.throttle.decision_values import Inputs
from backfill.throttle.reading import Reading, Unit
from backfill.throttle.wait_reason import WaitKind, WaitReason

JOB = "users-handle"
HOLDER = "pod-1 (pid 42)"
PROBE = Reading(measure="probe", subject="active", value=40.0, limit=50.0)
INPUTS = Inputs(
    replica="replica-a",
    lag_s=0.4,
    on_the_way_bytes=1 << 20,
    window_bytes=3.0e6,
    rate_bytes_s=4.0e6,
    row_wal_bytes=450.0,
    wal_rate_bytes_s=5.0e6,
    own_wal_rate_bytes_s=4.0e6,
)


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
    return Started(**{**values, **changed})


def lock_waiting(**changed):
    return LockWaiting(**{"job": JOB, "holder": HOLDER, "waited_s": 1.0, **changed})


def lock_taken(**changed):
    return LockTaken(**{"job": JOB, "waited_s": 0.0, **changed})


def replica(name="replica-a", lag_s=0.4, lag_bytes=1 << 20, counted=True):
    seconds, size = (10.0, 256 << 20) if counted else (None, None)
    return (
        Reading(measure="replica_lag_s", subject=name, value=lag_s, limit=seconds, unit=Unit.SECONDS),
        Reading(measure="replica_lag_bytes", subject=name, value=lag_bytes, limit=size, unit=Unit.BYTES),
    )


def slot(name="slot-a", retained_bytes=2 << 20, wal_status="reserved", unconfirmed_bytes=None):
    common = {"subject": name, "unit": Unit.BYTES, "state": wal_status}
    retained = Reading(measure="slot_retained_bytes", value=retained_bytes, limit=10 << 30, **common)
    lag = Reading(measure="slot_lag_bytes", value=unconfirmed_bytes, limit=1 << 30, **common)
    return (retained,) if unconfirmed_bytes is None else (retained, lag)


def archiver(backlog_bytes=16 << 20, failing=False):
    return (
        Reading(measure="archive_backlog_bytes", value=backlog_bytes, limit=1 << 30, unit=Unit.BYTES),
        Reading(measure="archive_failing", value=float(failing)),
    )


def of_the_table(dead_tuples=70, oldest_snapshot_s=1.5):
    return (
        Reading(measure="dead_tuples", value=dead_tuples),
        Reading(measure="oldest_snapshot_s", value=oldest_snapshot_s, unit=Unit.SECONDS),
    )


def blocked(sessions=0):
    return (Reading(measure="blocked_sessions", value=sessions, limit=0),)


def signal(measure="moons", subject="jupiter", value=79.0, limit=95.0):
    return (Reading(measure=measure, subject=subject, value=value, limit=limit),)


def signals_read(*groups, **changed):
    values = {
        "job": JOB,
        "readings": tuple(reading for group in groups for reading in group),
        "missing": (),
        "wal_rate_bytes_s": 5.0e6,
        "own_wal_rate_bytes_s": 4.0e6,
        "wal_budget_bytes": 3.0e6,
    }
    return SignalsRead(**{**values, **changed})


def wait_started(kind=WaitKind.LAG, text="replica-a lag 12.4s > 10s", delay_s=0.25, job=JOB):
    return WaitStarted(job, WaitReason(kind, text), delay_s)


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
        "time_left": TimeLeft(42.0, 42.0),
        "stripes": 8,
    }
    return BatchDone(**{**values, **changed})


def layout_changed(**changed):
    values = {"lane": 0, "sizes": (3, 2, 1), "window_pages": 4096, "why": "3 stripes: a page has 61 rows"}
    return LayoutChanged(**{"job": JOB, **values, **changed})


def compression_changed(**changed):
    return CompressionChanged(**{"job": JOB, "method": "zstd", "why": "WAL limits the job", **changed})


def pass_done(**changed):
    return PassDone(**{"job": JOB, "pass_number": 1, "rows": 50_000, **changed})


def verified(**changed):
    return Verified(**{"job": JOB, "rows_left": 0, "rows_unconverged": 0, "took_s": 1.0, **changed})


def retry_scheduled(**changed):
    values = {"job": JOB, "reason": "55P03", "message": "lock timeout", "attempt": 1, "delay_s": 0.1}
    return RetryScheduled(**{**values, **changed})


def batch_refused(**changed):
    values = {"lane": 0, "rows": 500, "rows_searched": 500, "reason": "23514", "message": "violates it\nDETAIL:  x"}
    return BatchRefused(**{"job": JOB, **values, **changed})


def row_rejected(**changed):
    values = {"leaf": "public.users", "key": '{"id": 7}', "reason": "23514", "message": "violates it\nDETAIL:  x"}
    return RowRejected(**{"job": JOB, "rows_rejected": 3, **values, **changed})


def row_retried(**changed):
    return RowRetried(**{"job": JOB, "leaf": "public.users", "key": '{"id": 7}', "result": "filled", **changed})


def verification_restarted(**changed):
    return VerificationRestarted(**{"job": JOB, "why": "psql (pid 7, role alice) needed its lock", **changed})


def pass_restarted(**changed):
    return PassRestarted(**{"job": JOB, "why": "VACUUM FULL", **changed})


def throttle_decision(**changed):
    values = {"job": JOB, "rows": 5000, "limited_by": "max_rows", "delay_s": 0.0, "inputs": INPUTS}
    return ThrottleDecision(**{**values, **changed})


def limits_changed(*changes, **changed):
    values = {
        "job": JOB,
        "changes": changes,
        "max_lag_s": 5.0,
        "max_lag_bytes": 128 << 20,
        "max_wal_rate_bytes_s": 16 << 20,
        "statement_timeout_s": 30.0,
    }
    return LimitsChanged(**{**values, **changed})


def no_replicas(**changed):
    return NoReplicas(**{"job": JOB, "max_wal_rate_bytes_s": 32 << 20, **changed})


def vacuum_started(**changed):
    return VacuumStarted(**{"job": JOB, "moved": 60_000, "cost_limit": 90, "cost_delay_ms": 2.0, **changed})


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
    return VacuumDone(**{**values, **changed})


def vacuum_not_permitted(**changed):
    return VacuumNotPermitted(**{"job": JOB, "why": "vacuum: auto has no right; run: GRANT x;", **changed})


def stopping(**changed):
    return Stopping(**{"job": JOB, "signal": "SIGTERM", **changed})


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
    return Finished(**{**values, **changed})


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
    return LeafStarted(**{**values, **changed})


def leaf_done(**changed):
    values = {"job": JOB, "leaf": "public.users_2", "number": 2, "leaves": 3, "rows_unconverged": 0}
    return LeafDone(**{**values, **changed})


def leaf_removed(**changed):
    why = "table 'public.users_2' was detached from 'public.users'"
    return LeafRemoved(**{"job": JOB, "leaf": "public.users_2", "why": why, **changed})


BLOCKER = "pid 7 (psql, alice), idle in transaction for 20s, holds ACCESS SHARE on public.users"
DDL = {"job": JOB, "table": "public.users"}


def ddl_waiting(**changed):
    return DdlWaiting(**{**DDL, "lock": "ACCESS EXCLUSIVE", "blocker": BLOCKER, "waited_s": 1.0, **changed})


def ddl_lock_failed(**changed):
    values = {"lock": "ACCESS EXCLUSIVE", "blocker": BLOCKER, "failures": 1, "delay_s": 0.5, "loud": False}
    return DdlLockFailed(**{**DDL, **values, **changed})


def ddl_progress(**changed):
    return DdlProgress(**{**DDL, "what": "index users_handle_key: building index, 40.0%", **changed})


def ddl_done(**changed):
    values = {"statement": "CREATE TRIGGER zzz_backfill", "took_s": 0.1, "slow": False}
    return DdlDone(**{**DDL, **values, **changed})


def sync_trigger_made(**changed):
    values = {
        "job": "users-handle",
        "table": "public.users",
        "trigger": "zzz_backfill_users-handle",
        "conditional": True,
    }
    return SyncTriggerMade(**{**values, **changed})


def sync_trigger_removed(**changed):
    return SyncTriggerRemoved(**{"job": "users-handle", "trigger": "zzz_backfill_users-handle", **changed})


def one_of_each():
    """Every kind of event, in an order that can happen."""
    return (
        lock_waiting(),
        lock_taken(waited_s=2.0),
        started(),
        leaf_started(),
        no_replicas(),
        sync_trigger_made(),
        sync_trigger_removed(),
        ddl_waiting(),
        ddl_lock_failed(),
        ddl_progress(),
        ddl_done(),
        limits_changed("max_lag=5s"),
        signals_read(
            replica(), slot(unconfirmed_bytes=1 << 20), archiver(), of_the_table(), blocked(2), (PROBE,), signal()
        ),
        throttle_decision(),
        wait_started(),
        layout_changed(),
        compression_changed(),
        batch_done(),
        vacuum_not_permitted(),
        vacuum_started(),
        vacuum_done(),
        retry_scheduled(),
        batch_refused(),
        row_rejected(),
        row_retried(),
        pass_restarted(),
        verification_restarted(),
        pass_done(),
        verified(),
        leaf_done(),
        leaf_removed(),
        stopping(),
        finished(),
    )
