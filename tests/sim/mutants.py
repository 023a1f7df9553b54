"""Ways to break the law that somebody might take, and the tests that are said to notice each."""

from __future__ import annotations

from dataclasses import dataclass

CONTROLLER, SIM, WINDOW = (
    "tests/unit/throttle/test_decide.py",
    "tests/sim",
    "tests/unit/throttle/test_replica_window.py",
)
CONDITIONS, BACKOFF = "tests/unit/throttle/conditions", "tests/unit/throttle/test_lock_backoff.py"


@dataclass(frozen=True)
class Mutation:
    """A name, the module of `backfill.throttle`, what is replaced by what, and the tests that catch it."""

    name: str
    module: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        "an idle path waits too",
        "decide",
        "idle = full.unreplayed_bytes == 0",
        "idle = False",
        (
            f"{CONTROLLER}::test_an_idle_path_admits_a_minimal_batch",
            f"{SIM}/test_accidents.py::test_a_row_dearer_than_the_window_still_goes",
        ),
    ),
    Mutation(
        "nobody is patient",
        "decide",
        " or _patient(limits, throttle_state, full, signals.at_s)",
        "",
        (f"{SIM}/test_changes.py::test_others_that_fill_the_link_alone_leave_us_little_but_not_nothing",),
    ),
    Mutation(
        "patient with a frozen replica",
        "decide",
        " and full.moved_s > throttle_state.admitted_s",
        "",
        (
            f"{CONTROLLER}::test_a_frozen_replica_gets_no_such_batch",
            f"{SIM}/test_accidents.py::test_a_frozen_replica_adds_at_most_a_window",
        ),
    ),
    Mutation(
        "a NULL replay position is believed",
        "conditions.replication",
        "and replica.replay_lsn is None",
        "and replica.replay_lsn == -1",
        (
            f"{CONTROLLER}::test_an_unknown_position_waits",
            f"{SIM}/test_accidents.py::test_a_replica_that_returns_far_behind_is_waited_for",
        ),
    ),
    Mutation(
        "a missing replica is ignored",
        "conditions.replication",
        "sorted(state.expected - present)",
        "sorted(state.expected - state.expected)",
        (f"{SIM}/test_accidents.py::test_nothing_goes_while_a_replica_is_out_of_view",),
    ),
    Mutation(
        "no hysteresis",
        "conditions.stop_condition",
        "return RESUME_SHARE if",
        "return 1.0 if",
        (
            f"{SIM}/test_accidents.py::test_after_a_stop_work_resumes_once",
            f"{CONTROLLER}::test_after_a_stop_lag_has_to_come_back_to_half",
        ),
    ),
    Mutation(
        "no cap of max_rows",
        "batch_size",
        'min((float(batch.max_rows), "max_rows"), (',
        'min((1e9, "max_rows"), (',
        (f"{SIM}/test_accidents.py::test_rows_stay_within_their_limits",),
    ),
    Mutation(
        "a window is never cut",
        "replica_window",
        "        window = min(window, shown)\n",
        "        window = window\n",
        (
            f"{SIM}/test_changes.py::test_a_link_that_narrows_six_times_is_followed",
            f"{WINDOW}::test_a_queue_above_what_is_allowed_cuts_to_what_was_shown",
        ),
    ),
    Mutation(
        "a window grows unfilled",
        "replica_window",
        "elif shown and filled:",
        "elif shown:",
        (f"{WINDOW}::test_a_window_that_is_not_what_holds_us_back_does_not_grow",),
    ),
    Mutation(
        "a replica that ran dry is cut",
        "replica_window",
        " and not starved",
        "",
        (f"{WINDOW}::test_a_replica_that_ran_dry_behind_a_full_window_was_not_late_for_its_queue",),
    ),
    Mutation(
        "what travels is taken for a queue",
        "replica_window",
        "target_s + min(travel_s, TRAVEL_MAX_S)",
        "target_s",
        (f"{SIM}/test_links.py::test_a_synchronous_standby_far_away_is_used",),
    ),
    Mutation(
        "unflushed WAL is taken for a queue",
        "replica_window",
        "queued = max(0, flush_lsn - replay_lsn)",
        "queued = max(0, insert_lsn - replay_lsn)",
        (f"{WINDOW}::test_what_the_primary_has_not_flushed_is_no_queue_of_the_replica",),
    ),
    Mutation(
        "a replica that stands still is slow",
        "replica_window",
        "(delivered > 0 or queued == 0 or span_s >= STILL_S)",
        "span_s > 0",
        (f"{WINDOW}::test_a_thin_link_that_delivers_in_lumps_is_measured_from_lump_to_lump",),
    ),
    Mutation(
        "no flush is asked for",
        "decide",
        "return throttle_state.held or any(",
        "return throttle_state.wanted_bytes < 0 and any(",
        (f"{SIM}/test_links.py::test_one_that_its_window_holds_back_flushes_what_it_writes",),
    ),
    Mutation(
        "a flush is always asked for",
        "decide",
        "return throttle_state.held or any(",
        "return True or any(",
        (f"{SIM}/test_links.py::test_a_worker_that_nothing_holds_back_waits_for_no_disk",),
    ),
    Mutation(
        "a synchronous standby is like any other",
        "batch_size",
        "TARGET_SYNC_S if sync else TARGET_S",
        "TARGET_S",
        (f"{SIM}/test_links.py::test_behind_a_synchronous_standby_commits_wait_little",),
    ),
    Mutation(
        "a far worker forgets its own way",
        "batch_size",
        "min(ROUND_TRIPS * round_trip_s, ROUND_TRIPS_MAX_S)",
        "0.0",
        (f"{SIM}/test_links.py::test_a_worker_far_from_its_server_still_moves",),
    ),
    Mutation(
        "no fear of dear rows",
        "row_cost",
        "return seen if seen > estimate else estimate",
        "return estimate",
        (
            f"{SIM}/test_changes.py::test_a_checkpoints_jump_in_wal_is_survived",
            "tests/unit/throttle/test_row_cost.py::test_a_dearer_batch_is_believed_at_once",
        ),
    ),
    Mutation(
        "first stripes cost what others do",
        "row_cost",
        "return self.first_wal_bytes if stripe == 0 else self.later_wal_bytes",
        "return self.later_wal_bytes",
        ("tests/unit/throttle/test_row_cost.py::test_first_stripes_and_later_ones_have_their_own_costs",),
    ),
    Mutation(
        "a debt is never paid",
        "wal_rate",
        "max(owed - rate_bytes_s * elapsed_s,",
        "max(owed,",
        (f"{SIM}/test_accidents.py::test_own_wal_stays_at_its_rate",),
    ),
    Mutation(
        "idle time is saved up",
        "wal_rate",
        "-rate_bytes_s * SAVED_S",
        "-rate_bytes_s * 3600",
        ("tests/unit/throttle/test_wal_rate.py::test_idle_time_is_not_saved_up_for_a_burst",),
    ),
    Mutation(
        "an idle hour is lag",
        "lsn_clock",
        "        if lsn and insert_lsn <= lsn[-1]:",
        "        if lsn and insert_lsn < lsn[-1]:",
        (f"{SIM}/test_changes.py::test_an_idle_hour_is_followed_by_no_burst", "tests/unit/throttle/test_lsn_clock.py"),
    ),
    Mutation(
        "sessions that wait for us are nobody's business",
        "lock_backoff",
        "if sessions <= limit:",
        "if sessions >= 0:",
        (f"{BACKOFF}::test_blocked_sessions_stop_the_next_batch_with_their_number",),
    ),
    Mutation(
        "an unknown probe is fine",
        "conditions.probes",
        "if probe.value is None:",
        "if probe.value == 0:",
        (f"{CONDITIONS}/test_probes.py::test_a_probe_above_its_limit_and_an_unknown_probe_stop_the_job",),
    ),
    Mutation(
        "an archiver that fails is waited for by nobody",
        "conditions.archiver",
        "elif failing:",
        "elif False:",
        (
            f"{CONDITIONS}/test_archiver.py::test_an_archiver_whose_last_attempt_failed_stops_the_job_while_wal_is_pending",
        ),
    ),
)
