"""What is found of a round: read all the while by a watch, and at its end from the database and the workers' words."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import LiteralString

import psycopg
from psycopg.sql import Literal

from backfill.sandbox.wait import wait_until
from backfill.throttle.wait_reason import WaitKind
from backfill.values.errors import BackfillError
from tests.chaos.oracle import Counted, Evidence, Scanned
from tests.chaos.tables import JOB
from tests.chaos.trial import OURS, Trial

EVERY_S = 0.1
LEAVE_S = 10.0
KEPT = 5
"""Of counts that differ."""

COUNT: LiteralString = (
    "select (select coalesce(sum(rows_total), 0)::bigint from backfill.checkpoint), (select count(*) from public.audit)"
)
LEFT_BEHIND: LiteralString = (
    "select 'session ' || application_name || ': ' || query from pg_stat_activity where "
    + OURS
    + " union all select 'lock ' || locktype || ' ' || mode || ' of ' || coalesce(pid::text, 'nobody') from pg_locks"
    " where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"
    " union all select 'prepared transaction ' || gid from pg_prepared_xacts where database = current_database()"
    " union all select 'slot ' || slot_name from pg_replication_slots where database = current_database()"
    " or slot_name like '%backfill%'"
    " union all select 'temporary ' || relname from pg_class where relpersistence = 't'"
)


class Watch:
    """A thread that counts rows by the checkpoint and by the audit, under one snapshot, again and again."""

    def __init__(self, trial: Trial) -> None:
        self._stage = trial
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.readings = 0
        self.apart: list[Counted] = []
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.is_set():
            with suppress(psycopg.Error), self._stage.connection(autocommit=True) as connection:
                while not self._stop.wait(EVERY_S):
                    row = connection.execute(COUNT).fetchone()
                    assert row is not None
                    self.readings += 1
                    if row[0] != row[1] and len(self.apart) < KEPT:
                        self.apart.append(Counted(row[0], row[1], time.time()))
            self._stop.wait(EVERY_S)


def observe(trial: Trial, watch: Watch) -> Evidence:
    """Return what is found once all workers have ended."""
    sql, workers = trial.table.sql, trial.workers
    wrong = trial.query(
        sql(
            "select count(*) over (), 'id ' || id || ' ' || coalesce({target}, 'NULL') || ' for ' || {source} || ' at '"
            " || ctid from {t} where {target} is distinct from {source} order by id limit 5"
        )
    )
    twice = trial.query(
        sql("select count(*) over (), 'id ' || id || ' ' || filled || ' times' from {t} where filled > 1 limit 5")
    )
    [(checkpoint, audit)] = trial.query(COUNT)
    job = trial.query("select state, reason from backfill.job where name = %s", JOB)
    words = [(one.log.name, one.stdout, one.stderr) for one in workers]
    waits = [event for one in workers for _, event in one.told("WaitStarted")]
    kinds = set(WaitKind)
    return Evidence(
        wrong_rows=wrong[0][0] if wrong else 0,
        wrong=tuple(text for _, text in wrong),
        twice_rows=twice[0][0] if twice else 0,
        twice=tuple(text for _, text in twice),
        counted=(*watch.apart, Counted(checkpoint, audit)),
        job_state=job[0][0] if job else None,
        job_reason=job[0][1] if job else None,
        scans=_scans(trial),
        left_behind=_left_behind(trial),
        absences=tuple(trial.absences),
        exits=tuple(trial.exits),
        untold=tuple(
            str(event) for event in waits if event["reason"]["kind"] not in kinds or not event["reason"]["text"].strip()
        ),
        tracebacks=tuple(f"{name}: {said[-500:]}" for name, _, said in words if "Traceback" in said),
        passwords=_passwords(trial, words),
        late=tuple(trial.late),
    )


def _scans(trial: Trial) -> tuple[Scanned, ...]:
    text = trial.table.sql(
        "with recursive tree as (select to_regclass({name})::oid as oid union all"
        " select i.inhrelid from pg_inherits i join tree on i.inhparent = tree.oid)"
        " select leaf, lane, proof is not null, window_start >= end_page from backfill.checkpoint"
        " where to_regclass(leaf)::oid in (select oid from tree) order by 1, 2",
        name=Literal(trial.table.sql("{t}").as_string()),
    )
    return tuple(Scanned(*row) for row in trial.query(text))


def _left_behind(trial: Trial) -> tuple[str, ...]:
    """Return what is there still when the server has had time to notice that the workers are gone."""
    found: list[str] = []

    def nothing() -> bool:
        found[:] = [text for (text,) in trial.query(LEFT_BEHIND)]
        return not found

    with suppress(BackfillError):
        wait_until(nothing, "nothing is left behind", LEAVE_S)
    return tuple(found)


def _passwords(trial: Trial, words: list[tuple[str, str, str]]) -> tuple[str, ...]:
    secrets = {trial.password, *(server.password for server in (trial.servers.primary, *trial.servers.standbys))}
    state = trial.query(
        "select j::text from backfill.job j union all select e::text from backfill.event e"
        " union all select b::text from backfill.batch b"
    )
    places = [(f"{name} stdout", said) for name, said, _ in words] + [
        (f"{name} stderr", said) for name, _, said in words
    ]
    places += [("the state schema", text) for (text,) in state]
    return tuple(dict.fromkeys(place for place, said in places if any(secret in said for secret in secrets)))
