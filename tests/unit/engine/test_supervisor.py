"""One job over several sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from backfill.engine.supervisor import FIRST_ATTEMPTS, LOGIN_PATIENCE_S, JobSupervisor
from backfill.events.batch import BatchDone
from backfill.events.job import Finished, LockWaiting, RetryScheduled, Started
from backfill.events.throttle import WaitStarted
from backfill.throttle.wait_reason import WaitKind
from backfill.values.errors import (
    ConnectionLost,
    Halted,
    LockHeld,
    LoginRefused,
    StatementRefused,
    Stopped,
    WhereStaysTrue,
)
from tests.factories import job, replica
from tests.fake_database import Clock, FakeDatabase, users


class Run:
    """A runner, its database and what it told."""

    def __init__(self, database: FakeDatabase, *, wait: bool = True) -> None:
        self.database = database
        self.events: list[Any] = []
        runtime = database.clock.runtime(self.events.append)
        size = {"rows": database.max_rows, "min_rows": 1, "max_rows": database.max_rows}
        self.runner = JobSupervisor(job(batch=size), database.connect, runtime, wait_for_lock=wait)

    def run(self) -> Finished:
        return asyncio.run(self.runner.run())

    def ends(self, error: type[Exception], match: str | None = None) -> Finished:
        """Run to an error; return the last word."""
        with pytest.raises(error, match=match):
            self.run()
        finished: Finished = self.told(Finished)[-1]
        return finished

    def told(self, *kinds):
        return [event for event in self.events if isinstance(event, kinds)]


def made(rows: int = 100, **changed) -> FakeDatabase:
    return FakeDatabase(**{"pages": users(rows), "clock": Clock(), "max_rows": 10, **changed})


def lost() -> ConnectionLost:
    return ConnectionLost("server closed the connection unexpectedly")


def skip(count: int) -> list[Callable[[], None]]:
    """Return calls in which nothing happens."""
    return [lambda: None] * count


def test_a_job_that_is_done_says_so_once_and_saves_it():
    run = Run(made())
    finished = run.run()
    assert (finished.state, finished.why, finished.rows_total, finished.rows_unconverged) == (
        "done",
        "every row is filled",
        100,
        0,
    )
    assert run.told(Finished) == run.database.ends == [finished]
    assert finished.passes == 1
    assert finished.wal_bytes == 100 * 500
    assert 0 < finished.elapsed_s <= run.database.clock.now_s - Clock().now_s


def test_rows_that_cannot_converge_end_the_job_with_their_keys():
    run = Run(made(40, pages=users(40, username=lambda number: None if number % 10 == 3 else "u")))
    finished = run.run()
    assert (finished.state, finished.rows_unconverged, finished.samples) == ("unconverged", 4, ("3", "13", "23", "33"))
    assert finished.why == (
        "4 rows cannot converge: 'where' stays true for them after the update; for example 3, 13, 23, 33"
    )


def test_a_lost_session_is_followed_by_one_that_goes_on():
    database = made()
    database.accidents["run_batch"] += [*skip(4), lost()]
    run = Run(database)
    assert run.run().state == "done"
    assert database.sessions == 2
    assert database.fills == dict.fromkeys(range(100), 1)
    assert [event.resumed for event in run.told(Started)] == [False, True]
    assert [(event.reason, event.attempt) for event in run.told(RetryScheduled)] == [("connection", 1)]


def test_a_commit_whose_answer_was_lost_is_not_done_again():
    database = made()
    database.accidents["committed"] += [*skip(4), lost()]
    run = Run(database)
    assert run.run().rows_total == 100
    assert database.fills == dict.fromkeys(range(100), 1)
    assert sum(event.rows for event in run.told(BatchDone)) == 100 - database.batches[4]


METHODS = [
    "connect",
    "try_lock",
    "open_leaf",
    "count_rows",
    "read_signals",
    "run_batch",
    "committed",
    "new_pass",
    "verify",
]


@pytest.mark.parametrize("method", [*METHODS, "save_end"])
def test_a_session_may_be_lost_anywhere(method: str):
    database = made()
    database.accidents[method].append(lost())
    assert Run(database).run().state == "done"
    assert database.fills == dict.fromkeys(range(100), 1)
    assert len(database.ends) == 1


def test_a_session_may_be_lost_at_every_single_call():
    calls = made()
    Run(calls).run()
    for method in set(calls.calls):
        for at in range(calls.calls.count(method)):
            database = made()
            database.accidents[method] += [*skip(at), lost()]
            assert Run(database).run().state == "done"
            assert database.fills == dict.fromkeys(range(100), 1)


def test_a_wait_for_a_session_is_reported_with_its_reason():
    database = made()
    database.accidents["run_batch"] += [*skip(1), lost()]
    run = Run(database)
    run.run()
    waits = [event for event in run.told(WaitStarted) if event.reason.kind is WaitKind.CONNECTION]
    assert [str(one.reason) for one in waits] == ["no session: server closed the connection unexpectedly"]


def test_a_server_that_was_never_reached_is_given_up_soon():
    database = made()
    database.accidents["connect"] += [lost()] * 100
    run = Run(database)
    finished = run.ends(ConnectionLost, "closed the connection")
    assert finished.state == "failed"
    assert database.calls == ["connect"] * FIRST_ATTEMPTS


def test_a_server_that_was_worked_on_is_waited_for():
    database = made()
    database.accidents["run_batch"] += [*skip(1), lost()]
    database.accidents["connect"] += [*skip(1), *[lost()] * 50]
    run = Run(database)
    assert run.run().state == "done"
    delays = [event.delay_s for event in run.told(RetryScheduled)]
    assert len(delays) == 51
    assert max(delays) == delays[-1] <= 10.0


def test_progress_ends_the_count_of_lost_sessions():
    database = made()
    database.accidents["run_batch"] += [*skip(1), lost(), *skip(1), lost(), *skip(1), lost()]
    run = Run(database)
    run.run()
    assert [event.attempt for event in run.told(RetryScheduled)] == [1, 1, 1]


def test_a_worker_whose_checkpoint_was_taken_over_changes_nothing_and_asks_for_the_lock_again():
    database = made()
    database.accidents["run_batch"] += [*skip(2), database.take_over]
    run = Run(database)
    assert run.run().state == "done"
    assert database.fills == dict.fromkeys(range(100), 1)
    assert database.calls.count("try_lock") == 2
    assert [event.reason for event in run.told(RetryScheduled)] == ["superseded"]


def test_two_that_fight_over_a_checkpoint_both_change_no_row_twice():
    database = made()
    for at in range(12):
        database.accidents["run_batch"] += [*skip(at % 3), database.take_over]
    Run(database).run()
    assert database.fills == dict.fromkeys(range(100), 1)


def test_a_job_that_cannot_go_on_fails_and_says_why():
    database = made()
    database.accidents["run_batch"] += [*skip(2), StatementRefused('column "short" does not exist', "42703")]
    run = Run(database)
    finished = run.ends(StatementRefused, "short")
    assert (finished.state, finished.why) == ("failed", 'column "short" does not exist')
    assert finished.rows_total == sum(database.batches) > 0
    assert [(one.state, one.why) for one in database.ends] == [(finished.state, finished.why)]


def test_a_job_that_needs_a_person_halts():
    database = made()
    database.accidents["run_batch"] += [*skip(2), StatementRefused("could not extend file: no space left", "53100")]
    run = Run(database)
    assert run.ends(Halted, "no space left").state == "halted"
    assert [one.state for one in database.ends] == ["halted"]


@pytest.mark.parametrize("method", ["connect", "try_lock", "begin"])
def test_before_the_loop_too_a_missing_grant_halts(method: str):
    database = made()
    database.accidents[method].append(StatementRefused("permission denied for schema backfill", "42501"))
    assert Run(database).ends(Halted, "permission denied").state == "halted"
    assert database.ends == []


@pytest.mark.parametrize("sqlstate", ["55P03", "40P01", "57P03", "53300"])
@pytest.mark.parametrize("method", ["connect", "try_lock", "begin", "open_leaf"])
def test_before_the_loop_too_what_may_be_fixed_is_tried_again(method: str, sqlstate: str):
    database = made()
    database.accidents[method] += [StatementRefused("not now", sqlstate)] * 2
    run = Run(database)
    assert run.run().state == "done"
    assert len(run.told(Finished)) == 1
    assert [event.attempt for event in run.told(RetryScheduled)] == [1, 2]


def test_a_first_batch_in_vain_fails_the_job():
    run = Run(made(pages=users(40, username=lambda _: None)))
    assert run.ends(WhereStaysTrue, "stays true").state == "failed"


def test_a_stop_is_an_end_that_can_be_gone_on_from():
    database = made()
    database.clock.stop_at_s = database.clock.now_s + 0.02
    run = Run(database)
    finished = run.ends(Stopped, "run again to go on")
    assert finished.state == "stopped"
    assert finished.rows_total == sum(database.batches)
    assert [one.state for one in database.ends] == ["stopped"]
    database.clock.stop_at_s = float("inf")
    assert Run(database).run().state == "done"
    assert database.fills == dict.fromkeys(range(100), 1)


def test_a_stop_while_no_session_can_be_had_is_an_end_too():
    database = made()
    database.accidents["run_batch"] += [*skip(1), lost()]
    database.accidents["connect"] += [*skip(1), *[lost()] * 1000]
    database.clock.stop_at_s = database.clock.now_s + 60
    assert Run(database).ends(Stopped).state == "stopped"


def test_a_stop_while_another_holds_the_lock_writes_nothing():
    database = made(holder="pod-1")
    database.clock.stop_at_s = database.clock.now_s + 3.5
    run = Run(database)
    assert run.ends(Stopped).state == "stopped"
    assert len(run.told(LockWaiting)) == 4
    assert database.ends == []


def test_one_that_shall_not_wait_for_the_lock_leaves_the_job_alone():
    database = made(holder="pod-1")
    assert Run(database, wait=False).ends(LockHeld, "pod-1").state == "stopped"
    assert database.ends == []
    assert "open_leaf" not in database.calls


def test_a_failover_keeps_what_was_learnt_and_forgets_positions():
    """The new primary's WAL may stand behind what the old one's had: nothing of the old may count as lag."""
    database = made(200, replicas=lambda data: (replica("replica-a", data.insert_lsn),))

    def fail_over() -> None:
        database.insert_lsn -= 20_000

    database.accidents["run_batch"] += [*skip(8), lost()]
    database.accidents["connect"] += [*skip(1), fail_over]
    run = Run(database)
    assert run.run().state == "done"
    assert run.told(Finished)[0].worst_lag_s < 1
    assert [event.reason.kind for event in run.told(WaitStarted)] == [WaitKind.CONNECTION]


def test_an_error_that_is_reported_is_not_hidden_by_one_that_comes_with_it():
    database = made()
    database.accidents["run_batch"].append(StatementRefused("no space left", "53100"))
    database.accidents["save_end"].append(lost())
    run = Run(database)
    assert run.ends(Halted, "no space left").why == "no space left"


def test_a_superseded_worker_is_never_given_up():
    database = made()
    database.accidents["run_batch"] += [database.take_over] * (FIRST_ATTEMPTS + 3)
    run = Run(database)
    assert run.run().state == "done"
    assert len(run.told(RetryScheduled)) == FIRST_ATTEMPTS + 3


def refuse_logins(database: FakeDatabase, count: int) -> None:
    """Lose the session after a batch, and refuse the role so often then."""
    database.accidents["run_batch"].extend([*skip(2), lost()])
    database.accidents["connect"].extend([*skip(1), *[LoginRefused("password authentication failed")] * count])


def test_a_role_that_the_server_let_in_before_is_refused_for_minutes_at_most():
    run = Run(made())
    refuse_logins(run.database, 1000)
    finished = run.ends(Halted, match="the server has not let the role in for .*: password authentication failed")
    assert finished.state == "halted"
    assert LOGIN_PATIENCE_S <= finished.elapsed_s < LOGIN_PATIENCE_S * 1.5


def test_a_password_that_arrives_in_time_is_taken():
    run = Run(made())
    refuse_logins(run.database, 5)
    assert run.run().state == "done"
