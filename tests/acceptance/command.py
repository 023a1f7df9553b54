"""The installed command line as one call: what it said and how it ended."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

from tests.acceptance.worker import COMMAND, JOB
from tests.fixtures_postgres import Database
from tests.forked_command import ForkedCommand

NAMES = ("DATABASE_URL", "PG", "COLUMNS", "LINES")
"""Beginnings of the environment's names that would change what a command does or says."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended. A traceback is never an answer."""

    code: int
    stdout: str
    stderr: str

    def __post_init__(self) -> None:
        assert "Traceback" not in self.stdout + self.stderr, self


def environment(**changed: str | None) -> dict[str, str]:
    """Return our environment without a database; None takes a name out."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NAMES)}
    return {name: value for name, value in (kept | changed).items() if value is not None}


def backfill(
    *arguments: str | Path,
    dsn: str | None = None,
    timeout_s: float = 60.0,
    env: dict[str, str] | None = None,
) -> Ended:
    """Run a command to its end; `dsn` is its DATABASE_URL. With an environment of its own it is started for real."""
    if env is not None:
        return started(*arguments, env=env, timeout_s=timeout_s)
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = ForkedCommand(
            [*map(str, arguments)],
            env=environment(DATABASE_URL=dsn),
            stdout=stdout.fileno(),
            stderr=stderr.fileno(),
        )
        try:
            code = process.wait(timeout_s)
        finally:
            process.kill()
        for stream in (stdout, stderr):
            stream.seek(0)
        return Ended(code, stdout.read().decode(), stderr.read().decode())


def started(*arguments: str | Path, env: dict[str, str], timeout_s: float = 60.0) -> Ended:
    """Run a command of its own start to its end."""
    ended = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=timeout_s,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def job_text(name: str, table: str, assigned: dict[str, str], where: str, *more: str) -> str:
    """Return a job file whose expressions stand in lines of their own, as YAML takes any text."""
    lines = [f"name: {name}", f"table: {quoted(table)}", "set:"]
    for column, expression in assigned.items():
        lines += [f"  {quoted(column)}: |", *(f"    {line}" for line in expression.splitlines())]
    lines += ["where: |", *(f"  {line}" for line in where.splitlines()), *more]
    if not any(line.startswith("throttle:") for line in more):
        lines += ["throttle: {max_wal_rate: 1GB/s}"]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """Return the text as a YAML scalar that YAML does not read any other way: JSON is YAML."""
    return json.dumps(text, ensure_ascii=False)


def write(path: Path, text: str = JOB) -> Path:
    """Write a job file; return its path."""
    path.write_text(text, encoding="utf-8")
    return path


def all_at_once(commands: Sequence[Sequence[str | Path]], **options: Any) -> list[Ended]:
    """Run commands beside each other, as each one is mostly its own start; return their ends in order."""
    with ThreadPoolExecutor(max_workers=3) as pool:
        return list(pool.map(lambda arguments: backfill(*arguments, **options), commands))


def fingerprint(database: Database, table: LiteralString = "users") -> tuple[Any, ...]:
    """Return what changes with any write: row versions with their places, and what schemas there are."""
    versions = "select md5(string_agg(ctid::text || xmin::text || t::text, ',' order by ctid)) from " + table + " t"
    return *database.query(versions), *database.query("select oid, nspname from pg_namespace order by oid")


def serve_until(directory: Path, dsn: str, count: int, timeout_s: float = 60.0) -> list[dict[str, Any]]:
    """Serve a directory of jobs that end badly until so many did; return the log."""
    read, write_end = os.pipe()
    with open(read, encoding="utf-8") as lines:  # noqa: PTH123
        try:
            process = ForkedCommand(
                ["serve", str(directory), "--http", "off"],
                env=environment(DATABASE_URL=dsn),
                stdout=write_end,
                stderr=write_end,
            )
        finally:
            os.close(write_end)
        watchdog = threading.Timer(timeout_s, process.kill)
        watchdog.start()
        log: list[dict[str, Any]] = []
        try:
            for line in lines:
                log.append(json.loads(line))
                count -= log[-1]["event"] == "job_ended"
                if count == 0:
                    process.terminate()
            assert process.wait(10) == 143, log
        finally:
            watchdog.cancel()
            process.kill()
    return log


def refusals(directory: Path, dsn: str, count: int) -> dict[str, str]:
    """Serve a directory of wrong job files until each was refused; return what was said by the file's name."""
    told: dict[str, str] = {}
    for line in serve_until(directory, dsn, count):
        assert line["event"] in ("finished", "job_ended"), line
        if line["event"] == "job_ended":
            assert line["exit_code"] == 2, line
            path, _, said = line["why"].partition(".yaml:")
            told[Path(path).name] = said
    return told
