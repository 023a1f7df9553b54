"""A worker of the campaign: `backfill run --json` as a process, its events with their times, its words in files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backfill.sandbox.wait import wait_until
from backfill.values.errors import BackfillError
from tests.forked_command import ForkedCommand

ROOT = Path(__file__).parents[2]
END_S = 120.0


class EndedEarlyError(BackfillError):
    """A worker had nothing left to do before what was waited for could come: it may be tried again."""


class Worker:
    """One process. Its stdout and stderr are kept in `log`.jsonl and `log`.err."""

    def __init__(self, dsn: str, job: Path, log: Path, *arguments: str, mutant: str = "") -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        self.log = log
        self.began_s = time.time()
        self.events: list[tuple[float, dict[str, Any]]] = []
        environment["DATABASE_URL"] = dsn
        command = ["run", str(job.absolute()), "--json", "--http", "off", *arguments]
        events, stdout = os.pipe()
        with log.with_suffix(".err").open("w") as stderr, os.fdopen(stdout, "wb"):
            self._process: ForkedCommand | subprocess.Popen[bytes] = (
                subprocess.Popen(
                    [sys.executable, "-m", "tests.chaos.mutants", mutant, *command],
                    stdout=stdout,
                    stderr=stderr,
                    cwd=ROOT,
                    env=environment,
                    start_new_session=True,
                )
                if mutant
                else ForkedCommand(command, env=environment, stdout=stdout, stderr=stderr.fileno(), new_session=True)
            )
        self._stdout = os.fdopen(events, encoding="utf-8")
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The process's own."""
        return self._process.pid

    @property
    def living(self) -> bool:
        """Whether it runs, frozen or not."""
        return self._process.poll() is None

    @property
    def stdout(self) -> str:
        """All events as they were printed."""
        path = self.log.with_suffix(".jsonl")
        return path.read_text() if path.exists() else ""

    @property
    def stderr(self) -> str:
        """What it said."""
        return self.log.with_suffix(".err").read_text()

    def told(self, name: str, **fields: Any) -> list[tuple[float, dict[str, Any]]]:
        """Return the events of a name and these fields so far, with their times."""
        return [
            (at_s, event)
            for at_s, event in tuple(self.events)
            if event["event"] == name and all(event.get(key) == value for key, value in fields.items())
        ]

    def waited_for(self, *kinds: str) -> list[tuple[float, dict[str, Any]]]:
        """Return the waits of these kinds so far."""
        return [(at_s, event) for at_s, event in self.told("WaitStarted") if event["reason"]["kind"] in kinds]

    def wait(self, condition: Callable[[], object], what: str, timeout_s: float = END_S / 2) -> None:
        """Return once a condition holds; raise EndedEarlyError where the worker ends before, BackfillError when late."""
        wait_until(lambda: condition() or not self.living, f"worker {self.pid}: {what}", timeout_s)
        if not self.living:
            self._thread.join(5)
            if not condition():
                raise EndedEarlyError(f"{self.log.name} ended before this: {what}; {self.stderr[-500:]}")

    def end(self, timeout_s: float = END_S) -> int:
        """Wait for its end and return the exit code."""
        code = self._process.wait(timeout_s)
        self._thread.join(5)
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing when it has ended."""
        self._process.send_signal(number)

    def close(self) -> None:
        """End it, whatever its state."""
        self._process.kill()
        self.end()
        self._stdout.close()

    def _pump(self) -> None:
        with self.log.with_suffix(".jsonl").open("w") as kept:
            for line in self._stdout:
                kept.write(line)
                if line.endswith("\n"):  # a killed worker may leave half a line
                    self.events.append((time.time(), json.loads(line)))
