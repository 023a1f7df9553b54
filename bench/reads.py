"""What it costs to find few rows: page reads and seconds of a run against one sequential read and one plain UPDATE.

    .venv/bin/python -m bench.reads --rows 1000000

Page reads are the server's own count (`pg_statio_user_tables`, hits and misses), so they repeat nearly exactly,
other than seconds. Each line is a fresh copy of the same table, read once before, so caches are warm.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from backfill.events.job import PassDone, Started, Verified
from backfill.sandbox import Sandbox
from backfill.sandbox.wait import wait_until
from bench.engine import rivals
from bench.engine.dataset import Dataset, copy_dataset, make_dataset
from bench.engine.scenario import SCENARIOS
from bench.engine.tally import Tally
from bench.workload import events, job_file, worker

SPARSE = ("sparse-1", "sparse-0.01", "clustered-1")
INDEX = "CREATE INDEX users_to_do ON users (id) WHERE handle IS NULL"
COUNT = "SELECT count(*) FROM users WHERE (handle IS NULL) IS TRUE"
"""Written so that no index serves it."""
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """Page reads in sizes of the table, and seconds; None where a plain UPDATE has no such part."""

    name: str
    reads: float
    pass_s: float
    proof_s: float | None = None


def page_reads(subject: Dataset, updated: int) -> int:
    """Return the reads of the table's pages so far, once so many updates are counted."""
    done = "SELECT n_tup_upd >= %s FROM pg_stat_user_tables WHERE relname = 'users'"
    wait_until(lambda: subject.query(done, updated) == [(True,)], f"{updated} updates counted")
    return subject.int_of("SELECT heap_blks_hit + heap_blks_read FROM pg_statio_user_tables WHERE relname = 'users'")


def sequential_s(subject: Dataset) -> float:
    """Return the time of the best of several sequential reads by one process, with warm caches."""
    with psycopg.connect(subject.dsn, autocommit=True) as connection:
        connection.execute("SET max_parallel_workers_per_gather = 0")
        took = []
        for _ in range(ROUNDS):
            began_s = time.monotonic()
            connection.execute(COUNT)
            took.append(time.monotonic() - began_s)
    return min(took)


def plain(subject: Dataset) -> tuple[float, float | None]:
    """Run one plain UPDATE; return its seconds."""
    tally = Tally(subject.rows)
    rivals.plain(subject, tally)
    return tally.took_s, None


def ours(subject: Dataset) -> tuple[float, float | None]:
    """Run the job; return the seconds of its pass and of its proof."""
    began_s = passed_s = verified_s = 0.0
    with job_file() as path, worker(subject.dsn, path) as process:
        for at_s, event in events(process):
            match event:
                case Started():
                    began_s = at_s
                case PassDone(pass_number=1):
                    passed_s = at_s
                case Verified():
                    verified_s = at_s
                case _:
                    continue
    return passed_s - began_s, verified_s - passed_s


def measured(original: Dataset, name: str, fill: Callable[[Dataset], tuple[float, float | None]]) -> tuple[Line, float]:
    """Let it fill a copy; return what that took, and the seconds of a sequential read of the same copy before."""
    with copy_dataset(original) as subject:
        pages = subject.int_of("SELECT pg_relation_size('users') / 8192")
        read_s = sequential_s(subject)
        subject.query("CHECKPOINT")
        time.sleep(1.5)  # what other sessions counted is published within a second
        before = page_reads(subject, 0)
        pass_s, proof_s = fill(subject)
        return Line(name, (page_reads(subject, subject.rows) - before) / pages, pass_s, proof_s), read_s


def main() -> None:
    """Print a line for each table, with and without an index on the condition, and each of the two."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    print("table · index · who · page reads / pages · pass · proof · sequential read")
    with Sandbox() as sandbox:
        primary = sandbox.primary()
        primary.configure({"autovacuum": "off", "max_wal_size": "16GB"})
        for scenario in (one for one in SCENARIOS if one.name in SPARSE):
            with make_dataset(primary, scenario, rows) as original:
                for index in ("", INDEX):
                    if index:
                        original.query(index)
                        original.query("VACUUM (ANALYZE) users")
                    for name, fill in (("plain UPDATE", plain), ("backfill", ours)):
                        line, read_s = measured(original, name, fill)
                        proof = "" if line.proof_s is None else f"{line.proof_s * 1e3:.0f} ms"
                        print(
                            f"{scenario.name} · {'partial' if index else 'none'} · {name} · {line.reads:.2f}"
                            f" · {line.pass_s * 1e3:.0f} ms · {proof} · {read_s * 1e3:.0f} ms",
                            flush=True,
                        )


if __name__ == "__main__":
    main()
