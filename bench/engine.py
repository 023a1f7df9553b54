"""The engine against one plain UPDATE, on identical fresh tables, in turn: `python -m bench.engine --rows 300000`.

A primary without standbys, so that nothing holds the worker back; fsync on, autovacuum off, a checkpoint before each
run, so that every run pays its full-page images. A worker's time runs from its first event to its last: passes and
the final read of the whole table are in it, the start of Python is not.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from backfill.core.events import Finished, Started
from backfill.sandbox import Sandbox, Server
from bench.subject import job_file, make_users, run

SETTINGS = {"autovacuum": "off", "fsync": "on", "max_wal_size": "16GB", "checkpoint_timeout": "1h"}
SIZES = "SELECT pg_table_size('users'), pg_indexes_size('users')"


@dataclass(frozen=True, slots=True)
class Result:
    """One run: its time, its WAL, its HOT updates, and what it left behind."""

    took_s: float
    wal_bytes_row: float
    hot_ratio: float
    table_growth: float
    index_growth: float
    worker_cpu_s: float


def plain_update(server: Server) -> float:
    """Fill the column in one transaction; return the seconds."""
    began_s = time.monotonic()
    server.query("UPDATE users SET handle = username WHERE handle IS NULL")
    return time.monotonic() - began_s


def backfill(stripes: int) -> Callable[[Server], float]:
    """Return what fills the column by `backfill run` and returns its seconds."""

    def fill(server: Server) -> float:
        began_s = ended_s = 0.0
        with job_file(stripes=stripes) as job:
            for at_s, event in run(server, job):
                if isinstance(event, Started):
                    began_s = at_s
                elif isinstance(event, Finished):
                    ended_s = at_s
        return ended_s - began_s

    return fill


CONTENDERS: dict[str, Callable[[Server], float]] = {
    "one plain UPDATE": plain_update,
    "backfill, stripes: 1": backfill(1),
    "backfill, stripes: 8": backfill(8),
}


def measure(server: Server, fill: Callable[[Server], float], rows: int) -> Result:
    """Make the table, fill it, and say what that took."""
    make_users(server, rows)
    [(table, indexes)] = server.query(SIZES)
    server.query("CHECKPOINT")
    cpu_s = _children_cpu_s()
    [(before,)] = server.query("SELECT pg_current_wal_insert_lsn() - '0/0'")
    took_s = fill(server)
    [(after,)] = server.query("SELECT pg_current_wal_insert_lsn() - '0/0'")
    [(left,)] = server.query("SELECT count(*) FROM users WHERE handle IS DISTINCT FROM username")
    assert left == 0, f"{left} rows are not filled"
    [(table_after, indexes_after)] = server.query(SIZES)
    return Result(
        took_s=took_s,
        wal_bytes_row=float(after - before) / rows,
        hot_ratio=_hot_ratio(server, rows),
        table_growth=table_after / table,
        index_growth=indexes_after / indexes,
        worker_cpu_s=_children_cpu_s() - cpu_s,
    )


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _hot_ratio(server: Server, rows: int) -> float:
    """Return the share of HOT updates; a session's counts are published a little after its end."""
    deadline_s = time.monotonic() + 10
    while True:
        [(updates, hot)] = server.query(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'users'"
        )
        if updates >= rows:
            return float(hot) / float(updates)
        assert time.monotonic() < deadline_s, f"{updates} of {rows} updates counted"
        time.sleep(0.1)


def report(results: dict[str, list[Result]]) -> None:
    """Print the medians."""
    base = next(iter(results.values()))
    print(f"\n{'median':24}{'seconds':>9}{'ratio':>8}{'WAL B/row':>11}{'HOT':>7}{'table':>8}{'indexes':>9}")
    for name, runs in results.items():
        ratio = median(mine.took_s / plain.took_s for mine, plain in zip(runs, base, strict=True))
        print(
            f"{name:24}{median(one.took_s for one in runs):>9.2f}{ratio:>8.2f}"
            f"{median(one.wal_bytes_row for one in runs):>11.0f}{median(one.hot_ratio for one in runs):>7.2f}"
            f"{median(one.table_growth for one in runs):>7.2f}x{median(one.index_growth for one in runs):>8.2f}x"
        )
    worker_s = median(one.worker_cpu_s for one in list(results.values())[-1])
    size_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"the worker: {worker_s:.2f} s of CPU a run, the start of Python included; at most {size_mb:.0f} MB of memory"
    )
    print("ratio: seconds against the plain UPDATE of the same round, below 1 is faster; table, indexes: growth")


def main() -> None:
    """Run every contender in turn, `--runs` times over, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="50,000 rows, one round")
    options = parser.parse_args()
    rows, runs = (50_000, 1) if options.quick else (options.rows, options.runs)
    results: dict[str, list[Result]] = {name: [] for name in CONTENDERS}
    with Sandbox() as sandbox:
        primary = sandbox.primary(settings=SETTINGS)
        [(version,)] = primary.query("SHOW server_version")
        print(
            f"PostgreSQL {version}, {rows:,} rows, {runs} rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        )
        for number in range(1, runs + 1):
            for name, fill in CONTENDERS.items():
                result = measure(primary, fill, rows)
                results[name].append(result)
                print(f"round {number}  {name:24}{result.took_s:7.2f} s{result.wal_bytes_row:8.0f} B/row", flush=True)
    report(results)


if __name__ == "__main__":
    main()
