"""The state of a job, folded from its events, and what /status.json shows of it."""

import json
import math
from dataclasses import asdict
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill import __version__
from backfill.events.event import Event
from backfill.observe.job_statuses import JobStatuses
from backfill.observe.row_rate import RowRate
from backfill.observe.status import ENDED, State, begin
from backfill.observe.status_fold import fold
from backfill.table.estimate.time_left import TimeLeft
from backfill.throttle.wait_reason import PACE_KINDS, WaitKind
from tests import event_factories


def after(*told_events):
    return reduce(
        lambda status, pair: fold(status, pair[1], float(pair[0])),
        enumerate(told_events),
        begin(event_factories.JOB, 0.0),
    )


def shown(*told_events, now_s=None):
    board = JobStatuses()
    for at_s, event in enumerate(told_events):
        board.record(event, float(at_s))
    (job,) = board.to_dict(len(told_events) - 1.0 if now_s is None else now_s)["jobs"]
    return job


def test_one_of_each_is_one_of_each():
    assert {type(event) for event in event_factories.one_of_each()} == set(Event.__args__)


def test_every_final_state_is_a_state():
    assert {state.value for state in ENDED} == {"done", "unconverged", "stopped", "cancelled", "halted", "failed"}


@pytest.mark.parametrize(
    ("told_events", "state", "why"),
    [
        ((), "running", ""),
        ((event_factories.lock_waiting(waited_s=90),), "waiting_lock", f"{event_factories.HOLDER}, waited 1m30s"),
        ((event_factories.lock_waiting(), event_factories.lock_taken()), "running", ""),
        ((event_factories.started(),), "running", ""),
        ((event_factories.started(), event_factories.wait_started()), "waiting", "replica-a lag 12.4s > 10s"),
        ((event_factories.started(), event_factories.wait_started(WaitKind.WINDOW, "window full")), "running", "window full"),
        ((event_factories.started(), event_factories.wait_started(), event_factories.wait_started(WaitKind.LOCK, "elsewhere")), "waiting_lock", "elsewhere"),
        ((event_factories.lock_waiting(waited_s=1), event_factories.wait_started(WaitKind.LOCK, event_factories.HOLDER)), "waiting_lock", f"{event_factories.HOLDER}, waited 1s"),
        ((event_factories.started(), event_factories.wait_started(), event_factories.pass_done(rows=5)), "waiting", ""),
        ((event_factories.started(), event_factories.pass_done(rows=0)), "running", "reading the whole table to verify it"),
        ((event_factories.started(), event_factories.wait_started(WaitKind.CONNECTION, "no session"), event_factories.started()), "running", ""),
        ((event_factories.started(), event_factories.wait_started(), event_factories.batch_done()), "running", ""),
        ((event_factories.ddl_waiting(),), "waiting", f"waiting for {event_factories.BLOCKER}"),
        ((event_factories.ddl_waiting(), event_factories.ddl_lock_failed()), "waiting", f"waiting for {event_factories.BLOCKER}"),
        ((event_factories.ddl_lock_failed(), event_factories.ddl_done()), "running", ""),
        ((event_factories.started(), event_factories.wait_started(), event_factories.signals_read()), "waiting", "replica-a lag 12.4s > 10s"),
        ((event_factories.started(), event_factories.stopping(), event_factories.batch_done(), event_factories.wait_started()), "stopping", "SIGTERM received: finishing the current batch, then exiting"),
        ((event_factories.started(), event_factories.finished(state="halted", why="disk full")), "halted", "disk full"),
    ],
)  # fmt: skip
def test_state_and_why(told_events, state, why):
    status = after(*told_events)
    assert (status.state.value, status.why) == (state, why)


def test_the_pace_is_not_a_stop_condition():
    assert {WaitKind.WINDOW, WaitKind.WAL_RATE, WaitKind.REST} == PACE_KINDS


def test_a_batch_moves_the_figures():
    status = after(
        event_factories.started(),
        event_factories.batch_done(rows_total=7, progress_ratio=0.5, time_left=TimeLeft(3.0, 3.0), rows=4, rows_hot=3),
    )
    assert (status.rows_total, status.progress_ratio, status.estimate, status.batch_rows) == (
        7,
        0.5,
        TimeLeft(3.0, 3.0),
        4,
    )
    assert status.hot_update_ratio == 0.75


def test_hot_ratio_is_of_the_last_batches_and_unknown_before_the_first_row():
    assert after(event_factories.started(), event_factories.batch_done(rows=0, rows_hot=0)).hot_update_ratio is None
    cold = [event_factories.batch_done(rows=100, rows_hot=0)] * 100
    hot = [event_factories.batch_done(rows=100, rows_hot=100)] * 64
    assert after(event_factories.started(), *cold, *hot).hot_update_ratio == 1.0


def test_unconverged_rows_are_those_of_the_worst_pass_until_verified():
    first = (event_factories.batch_done(rows_unconverged=3), event_factories.batch_done(rows_unconverged=2))
    second = (event_factories.pass_done(), event_factories.batch_done(pass_number=2, rows_unconverged=1))
    assert after(event_factories.started(), *first).rows_unconverged == 5
    assert after(event_factories.started(), *first, *second).rows_unconverged == 5
    assert (
        after(event_factories.started(), *first, *second, event_factories.verified(rows_unconverged=4)).rows_unconverged
        == 4
    )


@pytest.mark.parametrize(
    "last",
    [
        event_factories.lock_waiting(),
        event_factories.finished(),
        event_factories.wait_started(WaitKind.CONNECTION, "no connection"),
        event_factories.pass_done(),
    ],
)
def test_a_reading_ends_with_its_reader(last):
    assert after(event_factories.started(), event_factories.signals_read(event_factories.replica())).reading is not None
    assert (
        after(event_factories.started(), event_factories.signals_read(event_factories.replica()), last).reading is None
    )


def test_lock_is_unknown_then_held_then_given_back():
    assert after().lock_held is None
    assert after(event_factories.wait_started(WaitKind.CONNECTION, "no connection")).lock_held is None
    assert after(event_factories.finished(state="failed")).lock_held is None
    assert after(event_factories.lock_waiting()).lock_held is False
    assert after(event_factories.started()).lock_held is True
    assert after(event_factories.started(), event_factories.finished()).lock_held is False


def test_done_is_all_of_it_and_halted_is_not():
    part = (event_factories.started(), event_factories.batch_done(progress_ratio=0.3))
    assert after(*part, event_factories.finished()).progress_ratio == 1.0
    assert after(*part, event_factories.finished(state="halted")).progress_ratio == 0.3


def test_a_new_run_forgets_the_old_one():
    status = after(
        event_factories.started(),
        event_factories.retry_scheduled(),
        event_factories.batch_done(),
        event_factories.finished(),
        event_factories.started(rows_total=9, pass_number=2),
    )
    assert (status.error, status.batch_rows, status.rows_total, status.pass_number) == (None, 0, 9, 2)
    assert status.started_s == 4.0


def test_a_new_session_goes_on():
    lost = (
        event_factories.started(),
        event_factories.batch_done(rows_unconverged=3),
        event_factories.retry_scheduled(),
        event_factories.wait_started(WaitKind.CONNECTION, "no session"),
    )
    status = after(
        *lost, event_factories.lock_taken(), event_factories.started(resumed=True, rows_total=9, progress_ratio=0.2)
    )
    assert (status.error, status.rows_unconverged, status.started_s) == (event_factories.retry_scheduled(), 3, 0.0)
    assert (status.rows_total, status.progress_ratio) == (9, 0.2)


@given(st.floats(0.05, 5.0), st.integers(1, 100_000), st.integers(1, 400))
def test_a_steady_rate_reads_as_itself(every_s, rows, batches):
    rate = RowRate(0.0, 0.0)
    for number in range(1, batches + 1):
        rate = rate.add(rows, number * every_s)
    true_rows_s = rows / every_s
    assert true_rows_s * 0.99 <= rate.read(batches * every_s) <= true_rows_s * (1 + every_s / 10)


def test_a_rate_fades_when_nothing_happens():
    rate = RowRate(0.0, 0.0).add(1000, 1.0)
    assert rate.read(60.0) < 1.0
    assert RowRate(0.0, 0.0).read(0.0) == 0.0


def test_board_says_version_and_jobs_in_order():
    board = JobStatuses()
    assert board.to_dict(0.0) == {"version": __version__, "jobs": []}
    board.record(event_factories.started(job="b"), 0.0)
    board.record(event_factories.started(job="a"), 0.0)
    assert [job["job"] for job in board.to_dict(1.0)["jobs"]] == ["b", "a"]


def test_a_running_job_is_shown_whole():
    reading = event_factories.signals_read(
        event_factories.replica(),
        event_factories.replica("dr-1", None, None, counted=False),
        event_factories.slot(),
        event_factories.archiver(),
        event_factories.of_the_table(),
        event_factories.blocked(2),
        (event_factories.PROBE,),
        event_factories.signal("active_sessions", "app", 33.0, 40.0),
        missing=("replica-b",),
    )
    tuned = event_factories.limits_changed(
        "max_lag=5s", max_lag_s=10.0, max_lag_bytes=256 << 20, max_wal_rate_bytes_s=32 << 20
    )
    told_all = (
        tuned,
        event_factories.compression_changed(),
        reading,
        event_factories.throttle_decision(),
        event_factories.batch_done(),
        event_factories.retry_scheduled(),
    )
    job = shown(event_factories.started(), *told_all, now_s=7.0)
    assert job.pop("readings") == [asdict(one) for one in reading.readings]
    assert job == {
        "job": event_factories.JOB,
        "table": "public.users",
        "leaf": None,
        "leaves": 1,
        "leaves_done": 0,
        "state": "running",
        "why": "",
        "pass": 1,
        "progress_ratio": 0.1,
        "eta": "42s",
        "eta_low_s": 42.0,
        "eta_high_s": 42.0,
        "rows_total": 5000,
        "rows_unconverged": 0,
        "rows_rejected": 0,
        "failures_in_a_row": 1,
        "rows_s": pytest.approx(813.2, abs=0.05),
        "batch_rows": 5000,
        "wal_compression": "zstd",
        "hot_update_ratio": 0.9,
        "lock_held": True,
        "wal_rate_bytes_s": 5.0e6,
        "own_wal_rate_bytes_s": 4.0e6,
        "wal_budget_bytes": 3.0e6,
        "archive_backlog_bytes": 16 << 20,
        "max_lag_s": 10.0,
        "max_lag_bytes": 256 << 20,
        "max_wal_rate_bytes_s": 32 << 20,
        "replicas": [
            {"name": "replica-a", "lag_s": 0.4, "lag_bytes": 1 << 20, "counted": True, "sync": False},
            {"name": "dr-1", "lag_s": None, "lag_bytes": None, "counted": False, "sync": False},
        ],
        "missing": ["replica-b"],
        "slots": [{"name": "slot-a", "retained_bytes": 2 << 20, "wal_status": "reserved", "unconfirmed_bytes": None}],
        "archive_failing": False,
        "blocked_sessions": 2,
        "dead_tuples": 70,
        "oldest_snapshot_s": 1.5,
        "probes": [{"name": "active", "value": 40.0, "limit": 50.0}],
        "vacuuming": False,
        "last_vacuum": None,
        "vacuum_unable": "",
        "tuned": ["max_lag=5s"],
        "decisions": [
            {
                "ago_s": 3.0,
                "rows": 5000,
                "limited_by": "max_rows",
                "delay_s": 0.0,
                "inputs": asdict(event_factories.INPUTS),
            }
        ],
        "last_error": {"reason": "55P03", "message": "lock timeout", "attempt": 1, "ago_s": 1.0},
        "started_ago_s": 7.0,
        "updated_ago_s": 1.0,
    }


def test_a_vacuum_is_shown_while_it_runs_and_how_the_last_one_ended():
    running = shown(
        event_factories.started(),
        event_factories.vacuum_done(),
        event_factories.vacuum_started(),
        event_factories.vacuum_not_permitted(),
    )
    assert running["vacuuming"]
    assert running["vacuum_unable"] == "vacuum: auto has no right; run: GRANT x;"
    stopped = event_factories.vacuum_done(result="stopped", why="sessions waiting for it 1 > 0", removed=None)
    ended = shown(event_factories.started(), event_factories.vacuum_started(), stopped, now_s=5.0)
    assert not ended["vacuuming"]
    assert (ended["last_vacuum"]["result"], ended["last_vacuum"]["ago_s"]) == ("stopped", 3.0)
    for end in (event_factories.finished(), event_factories.started()):
        assert not shown(event_factories.started(), event_factories.vacuum_started(), end)["vacuuming"]


def test_a_vacuum_that_ends_before_the_final_read_is_no_sign_of_it():
    ended = event_factories.vacuum_done(result="stopped")
    assert after(
        event_factories.started(), event_factories.vacuum_started(), event_factories.pass_done(rows=0), ended
    ).verifying


def test_json_has_neither_infinity_nor_passwords():
    message = "cannot reach postgresql://app:hunter2@h/db (password=hunter2)"
    job = shown(
        event_factories.started(max_lag_s=math.inf),
        event_factories.signals_read(wal_budget_bytes=math.inf),
        event_factories.retry_scheduled(message=message),
        event_factories.lock_waiting(holder="password=hunter2"),
    )
    text = json.dumps(job, allow_nan=False)
    assert "hunter2" not in text
    assert job["max_lag_s"] is None


def test_every_prefix_of_a_run_can_be_shown():
    run = event_factories.one_of_each()
    for length in range(1, len(run) + 1):
        json.dumps(shown(*run[:length]), allow_nan=False)


def test_ready_from_the_first_answer_of_the_database():
    for event, ready in (
        (event_factories.wait_started(WaitKind.CONNECTION), False),
        (event_factories.lock_waiting(), True),
        (event_factories.started(), True),
    ):
        board = JobStatuses()
        assert not board.ready
        board.record(event, 0.0)
        assert board.ready is ready


def test_a_worker_that_verifies_is_silent_with_reason():
    board = JobStatuses()
    board.record(event_factories.started(), 0.0)
    board.record(event_factories.pass_done(rows=0), 1.0)
    assert board.silent(1e6, 60.0) is None
    board.record(event_factories.verified(), 1e6)
    assert board.silent(1e6 + 61, 60.0) is not None


def test_a_job_that_a_daemon_has_yet_to_start_is_waiting_and_not_silent():
    board = JobStatuses()
    board.record(event_factories.wait_started(WaitKind.AFTER), 0.0)
    assert board.jobs[event_factories.JOB].state is State.WAITING
    assert board.silent(1e6, 60.0) is None
    assert not board.ready
    board.record(event_factories.wait_started(WaitKind.CONNECTION), 1e6)
    assert board.silent(1e6 + 61, 60.0) is not None


def test_silence_is_of_unfinished_jobs_only():
    board = JobStatuses()
    assert board.silent(1e9, 60.0) is None
    board.record(event_factories.started(), 0.0)
    assert board.silent(60.0, 60.0) is None
    assert board.silent(75.0, 60.0) == "users-handle silent 1m15s > 1m00s"
    board.record(event_factories.wait_started(), 75.0)
    assert board.silent(75.0, 60.0) is None
    board.record(event_factories.finished(), 80.0)
    assert board.silent(1e9, 60.0) is None
    assert set(board.jobs) == {event_factories.JOB}
    assert board.jobs[event_factories.JOB].state is State.DONE


def test_leaves_are_counted_and_what_one_has_left_is_added_to_the_others():
    run = (
        event_factories.started(leaves=3),
        event_factories.leaf_started(number=2, rows_unconverged=5, progress_ratio=0.3),
        event_factories.batch_done(rows_unconverged=2, progress_ratio=0.4),
        event_factories.batch_done(rows_unconverged=1, progress_ratio=0.5),
    )
    status = after(*run)
    assert (status.leaves_done, status.rows_unconverged, status.progress_ratio) == (1, 8, 0.5)
    assert after(*run, event_factories.verified(rows_unconverged=4)).rows_unconverged == 9
    job = shown(
        *run, event_factories.verified(rows_unconverged=4), event_factories.leaf_done(number=2, rows_unconverged=9)
    )
    assert (job["leaf"], job["leaves"], job["leaves_done"]) == ("public.users_2", 3, 2)
    again = after(
        *run,
        event_factories.leaf_done(number=2, rows_unconverged=9),
        event_factories.leaf_started(number=3, rows_unconverged=9),
    )
    assert (again.rows_unconverged, again.leaves_done) == (9, 2)


def test_one_that_waits_for_a_leaf_has_its_job():
    status = after(
        event_factories.lock_taken(), event_factories.started(), event_factories.lock_waiting(leaf="public.users_2")
    )
    assert (status.state, status.lock_held) == (State.WAITING_LOCK, True)
    assert not after(event_factories.started(), event_factories.lock_waiting()).lock_held
    assert (
        after(event_factories.started(), event_factories.leaf_removed()).why
        == "public.users_2 is gone; the others continue"
    )
