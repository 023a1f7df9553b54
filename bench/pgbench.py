"""pgbench at a fixed rate beside a backfill: as a foreign writer of WAL, and as an application that is kept waiting."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backfill.sandbox import Server
from backfill.sandbox.binaries import find_binaries

ENTRY_BYTES = 7900
"""One entry fills one page, so an INSERT writes about 8 kB of WAL and never a full-page image."""

FOREIGN_RATE = 210
"""Transactions a second of the foreign writer: 1.7 MB/s of WAL, two fifths of a link of 4 MB/s."""

APPLICATION_RATE = 200
"""Transactions a second of the application; each reads one account and changes it."""

FOREIGN = f"INSERT INTO journal (entry) VALUES (repeat('x', {ENTRY_BYTES}));\n"
APPLICATION = """\
\\set id random(1, 10000)
BEGIN;
SELECT balance FROM accounts WHERE id = :id;
UPDATE accounts SET balance = balance + 1 WHERE id = :id;
COMMIT;
"""
TABLES = (
    "DROP TABLE IF EXISTS journal, accounts",
    "CREATE TABLE journal (entry text NOT NULL)",
    "ALTER TABLE journal ALTER entry SET STORAGE PLAIN",
    "CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50)",
    "INSERT INTO accounts SELECT i, 0 FROM generate_series(1, 10000) i",
    "VACUUM (ANALYZE) accounts",
)


def make_tables(server: Server) -> None:
    """Make the tables of both anew."""
    for statement in TABLES:
        server.query(statement)


@contextmanager
def foreign_writer(server: Server, span_s: float) -> Iterator[None]:
    """Write WAL at a fixed rate for `span_s`, which the context outlives."""
    with _pgbench(server, FOREIGN, FOREIGN_RATE, span_s):
        yield


@contextmanager
def application(server: Server, span_s: float) -> Iterator[list[float]]:
    """Run the application for `span_s`; its latencies in seconds are in the list after the context."""
    latencies_s: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        prefix = Path(directory) / "latency"
        with _pgbench(server, APPLICATION, APPLICATION_RATE, span_s, "--log", f"--log-prefix={prefix}"):
            yield latencies_s
        for path in Path(directory).glob("latency.*"):
            latencies_s.extend(read_latencies(path.read_text(encoding="ascii")))


def read_latencies(log: str) -> list[float]:
    """Return the seconds of each transaction from the moment at which it was due.

    A line is: client, number, microseconds, script, epoch, microseconds, and how late it began.
    """
    return [int(line.split()[2]) / 1e6 for line in log.splitlines()]


@contextmanager
def _pgbench(server: Server, script: str, rate: int, span_s: float, *options: str) -> Iterator[None]:
    binaries = find_binaries()
    environment = dict(os.environ)
    if binaries.library_path:
        environment["LD_LIBRARY_PATH"] = str(binaries.library_path)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [
            str(binaries.directory / "pgbench"),
            *("--no-vacuum", "--client=4", f"--time={span_s:.0f}", f"--rate={rate}", f"--file={file.name}"),
            *options,
            server.dsn,
        ]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield
                _, said = process.communicate(timeout=30)
            finally:
                process.terminate()
        if process.returncode:
            raise SystemExit(f"pgbench ended with {process.returncode}: {said}")
