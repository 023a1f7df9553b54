"""Protections against each failure mode, how each is taken away, and the test of the page that then fails."""

from __future__ import annotations

from dataclasses import dataclass

from tests.mutation import Replacement

CHANGE, STATE, MONITOR = "tests/integration/change", "tests/integration/state", "tests/integration/monitor"


@dataclass(frozen=True)
class Protection:
    """One of them: the mode by its letter, what it is in words, what replaces it, and the test that misses it."""

    mode: str
    name: str
    without: tuple[Replacement, ...]
    test: str


PROTECTIONS = (
    Protection(
        "a",
        "a try for a lock is short",
        (
            Replacement("backfill/change/lock_patience.py", "LOCK_TIMEOUT_S = 0.5", "LOCK_TIMEOUT_S = 20.0"),
            Replacement("backfill/change/lock_patience.py", "STATEMENT_S = 1.0", "STATEMENT_S = 20.0"),
        ),
        f"{CHANGE}/test_polite_lock.py::test_a_try_that_meets_a_holder_ends_soon_names_it_and_the_fourth_failure_is_loud",
    ),
    Protection(
        "a",
        "an old transaction is waited for without a try",
        (
            Replacement(
                "backfill/change/lock_patience.py",
                "if blocker.granted and _is_old(blocker, seen)]",
                "if blocker.granted and _is_old(blocker, seen) and blocker.gid]",
            ),
        ),
        f"{CHANGE}/test_polite_lock.py::test_an_old_transaction_on_a_partition_is_named_and_waited_for_without_a_try",
    ),
    Protection(
        "b",
        "an INVALID index is dropped and built again",
        (
            Replacement(
                "backfill/change/index_build.py",
                "if table.exists and not table.valid:",
                "if table.exists and table.builder is not None:",
            ),
        ),
        f"{CHANGE}/test_finish_leftovers.py::test_invalid_indexes_of_its_name_are_dropped_and_built_again",
    ),
    Protection(
        "b",
        "a build has no lock_timeout",
        (Replacement("backfill/postgres/change/unhurried.py", '"lock_timeout": "0"', '"lock_timeout": "500ms"'),),
        f"{CHANGE}/test_finish_waits.py"
        "::test_a_build_names_the_older_transaction_that_it_waits_for_and_is_not_timed_out",
    ),
    Protection(
        "c",
        "one job a table",
        (Replacement("backfill/postgres/state/locks.py", 'lock_key("table", table)}', 'lock_key("table", job)}'),),
        f"{STATE}/test_locks.py::test_a_table_that_another_job_fills_is_reported_as_such",
    ),
    Protection(
        "c",
        "a deadlock is tried again",
        (Replacement("backfill/retry/sqlstate.py", '"40P01": Remedy.SHRINK', '"40P01": Remedy.FAIL'),),
        "tests/unit/engine/test_slow_rows.py::test_a_search_goes_on_behind_a_deadlock",
    ),
    Protection(
        "d",
        "finish drops nothing that it did not make",
        (
            Replacement(
                "backfill/change/index_build.py",
                "if table.exists and not table.same and not table.attached:",
                "if table.exists and not table.name:",
            ),
            Replacement(
                "backfill/change/index_build.py",
                "if table.exists and not table.valid:",
                "if table.exists and not (table.valid and table.same):",
            ),
        ),
        f"{CHANGE}/test_finish_refused.py::test_what_cannot_be_finished_is_refused_before_anything_is_changed",
    ),
    Protection(
        "e",
        "a replica has to replay the change",
        (Replacement("backfill/change/gate.py", "if replica.replay_lsn >= lsn:", "if replica.replay_lsn >= 0:"),),
        f"{MONITOR}/test_gate.py::test_two_gates_wait_for_a_replica_that_does_not_replay_and_open_when_it_has",
    ),
    Protection(
        "e",
        "a replica that is gone is missed",
        (
            Replacement(
                "backfill/change/gate.py",
                "sorted(state.throttle.expected - present)",
                "sorted(state.throttle.expected & set())",
            ),
        ),
        f"{MONITOR}/test_gate.py::test_a_replica_that_goes_away_is_missed_until_it_is_back",
    ),
    Protection(
        "f",
        "the WAL on the way and the lag have limits",
        (
            Replacement(
                "backfill/throttle/decide.py",
                "if full is None or wanted + throttle_state.pending_bytes <= room:",
                "if full is None or room > -inf:",
            ),
            Replacement("backfill/throttle/decide.py", "    if found:\n", "    if found and signals.at_s < 0:\n"),
        ),
        "tests/sim/test_links.py::test_a_slow_replica_under_a_tight_budget",
    ),
    Protection(
        "g",
        "a table that is rewritten is read again",
        (
            Replacement(
                "backfill/postgres/work/polite_proof.py",
                "if now is None or now[0] is None or now[0] != filenode:",
                "if now is None:",
            ),
        ),
        "tests/integration/work/test_polite_proof.py::test_a_table_that_is_rewritten_between_two_pieces_is_read_again",
    ),
    Protection(
        "g",
        "plan names volatile functions",
        (Replacement("backfill/change/findings/values.py", "in facts.measured.volatile:", "in ():"),),
        "tests/integration/plan/test_findings.py"
        "::test_every_planted_fault_is_found_and_a_run_is_refused_on_a_stop_unless_it_is_forced",
    ),
    Protection(
        "h",
        "a constraint that meets a NULL is taken back",
        (Replacement("backfill/postgres/change/not_null.py", "if self.made and invalid:", "if not self.made:"),),
        f"{CHANGE}/test_finish_leftovers.py"
        "::test_a_row_that_turns_null_after_the_check_is_named_and_the_constraint_is_gone",
    ),
    Protection(
        "i",
        "the trigger fills what the old version writes",
        (
            Replacement(
                "backfill/engine/job_run.py",
                'if self.job.sync == "trigger":',
                'if self.job.sync == "never":',
            ),
        ),
        "tests/integration/sandbox/test_change.py::test_a_column_is_renamed_under_two_versions_that_see_no_error",
    ),
)
