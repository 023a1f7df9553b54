"""One run: a fresh copy of the table, a checkpoint, the contender, and what is found behind it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from backfill.sandbox import Sandbox, Server, Standby
from bench.engine.background_load import background_load
from bench.engine.contenders import Contender
from bench.engine.dataset import Dataset, copy_dataset, make_dataset
from bench.engine.figures import Figures
from bench.engine.scenario import Beside, Scenario
from bench.engine.tally import Tally

SETTINGS = {"autovacuum": "off", "fsync": "on", "checkpoint_timeout": "1d", "max_slot_wal_keep_size": "-1"}
STANDBY = {"hot_standby_feedback": "on", "max_standby_streaming_delay": "-1"}
COUNTED_S = 60.0
INSERT_LSN = "SELECT pg_current_wal_insert_lsn() - '0/0'"
TABLE_BYTES, INDEX_BYTES = "SELECT pg_relation_size('users')", "SELECT pg_indexes_size('users')"
LEFT = "SELECT count(*) FROM users WHERE handle IS DISTINCT FROM username"
NEXT_XID = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
ROWS_TRANSACTION = (
    "SELECT max(rows) FROM (SELECT count(*) AS rows FROM users WHERE xmin::text::bigint >= %s GROUP BY xmin) written"
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A scenario set up on a primary, and a standby where it has one."""

    scenario: Scenario
    original: Dataset
    standby: Standby | None

    def play(self, contender: Contender) -> Figures:
        """Let the contender fill a copy of the table; return what that took and left."""
        with copy_dataset(self.original) as subject:
            table, indexes = subject.int_of(TABLE_BYTES), subject.int_of(INDEX_BYTES)
            with background_load(self.scenario, subject, self.standby):
                subject.query("CHECKPOINT")
                xid, before = subject.int_of(NEXT_XID), subject.int_of(INSERT_LSN)
                tally = Tally(subject.rows)
                used = contender.fill(subject, tally)
                wal_bytes = subject.int_of(INSERT_LSN) - before
            left = subject.int_of(LEFT)
            assert left == 0, f"{contender.name} left {left} rows"
            return Figures(
                took_s=tally.took_s,
                wal_bytes_row=wal_bytes / subject.rows,
                hot_ratio=_hot_ratio(subject),
                table_growth=subject.int_of(TABLE_BYTES) / table,
                index_growth=subject.int_of(INDEX_BYTES) / indexes if indexes else None,
                decile_ratio=tally.decile_ratio,
                batch_p99_s=tally.batch_p99_s,
                rows_transaction=subject.int_of(ROWS_TRANSACTION, xid),
                cpu_s_100k=used.cpu_s * 100_000 / subject.rows if used else None,
                peak_bytes=used.peak_bytes if used else None,
            )


@contextmanager
def stage(sandbox: Sandbox, primary: Server, scenario: Scenario, rows: int) -> Iterator[Stage]:
    """Give the scenario with its table made; the standby is there first, so that it needs no copy of the table."""
    rows = scenario.rows(rows)
    primary.configure({"max_wal_size": scenario.max_wal_size})
    standby = None
    if scenario.beside is Beside.STANDBY:
        standby = sandbox.standby("replica-a", primary, settings=STANDBY)
    try:
        with make_dataset(primary, scenario, rows) as original:
            assert original.rows, f"no row of {rows} matches in {scenario.name}: more --rows"
            yield Stage(scenario, original, standby)
    finally:
        if standby is not None:
            standby.remove()


def _hot_ratio(subject: Dataset) -> float:
    """Return the share of HOT updates; a session's counts are published a little after its end."""
    deadline_s = time.monotonic() + COUNTED_S
    while True:
        [(updates, hot)] = subject.query(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'users'"
        )
        if updates >= subject.rows:
            return float(hot) / float(updates)
        assert time.monotonic() < deadline_s, f"{updates} of {subject.rows} updates counted"
        time.sleep(0.1)
