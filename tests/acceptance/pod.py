"""A worker as a pod runs it: its log, its metrics, and what `status` says of it from elsewhere."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.acceptance.command import backfill
from tests.forked_command import ForkedCommand

WAIT_S = 60.0


class Pod:
    """`backfill run` without a terminal, on a free port."""

    def __init__(self, dsn: str, job: Path) -> None:
        self.dsn = dsn
        self.log = job.with_suffix(".log")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        with self.log.open("w") as stderr:
            self.process = ForkedCommand(
                ["run", str(job), "--http", "127.0.0.1:0"],
                env=environment | {"DATABASE_URL": dsn},
                stdout=stderr.fileno(),
                stderr=stderr.fileno(),
            )
        self.url = ""

    def lines(self) -> list[dict[str, Any]]:
        """Return the whole lines of the log; each must be JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def logged(self, words: str) -> bool:
        return any(words in line.get("why", "") for line in self.lines())

    def metrics(self) -> str:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def metric(self, name: str, **labels: str) -> float:
        """Return one sample of the job users-handle."""
        told = "".join(f',{key}="{value}"' for key, value in labels.items())
        found = re.search(rf'^{name}{{job="users-handle"{re.escape(told)}}} (\S+)$', self.metrics(), re.MULTILINE)
        assert found, self.metrics()
        return float(found[1])

    def status(self, *arguments: str) -> dict[str, Any]:
        ended = backfill("status", "users-handle", "--json", *arguments, dsn=self.dsn)
        assert ended.code == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    def rows(self) -> float:
        return self.metric("backfill_rows_updated_total")

    def until(self, condition: Callable[[], object], what: str) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline_s, f"not in time: {what}\n{self.log.read_text()}"
            time.sleep(0.05)

    def works(self) -> None:
        """Wait until rows are filled, from now on."""
        before = self.rows()
        self.until(lambda: self.rows() > before, "rows are filled")

    def stops(self, kind: str, words: str) -> None:
        """Wait until it stands still for a reason, which log, metric and status tell; no row moves meanwhile."""
        self.until(lambda: self.logged(words), f"the log says {words!r}")
        self.until(lambda: words in (self.status()["reason"] or ""), f"status says {words!r}")
        waited_s, rows = self.metric("backfill_wait_seconds_total", reason=kind), self.rows()
        time.sleep(1)
        assert self.metric("backfill_wait_seconds_total", reason=kind) > waited_s
        assert self.rows() == rows

    def heals(self) -> None:
        """Wait until it works again, and status has forgotten the reason."""
        self.works()
        self.until(lambda: self.status()["reason"] is None, "status is calm")


@contextmanager
def pod(dsn: str, job: Path) -> Iterator[Pod]:
    """Run a worker that is at work when it is given, and gone at the end."""
    one = Pod(dsn, job)
    try:
        one.until(lambda: any(line["event"] == "http_listening" for line in one.lines()), "it listens")
        listening = next(line for line in one.lines() if line["event"] == "http_listening")
        one.url = f"http://127.0.0.1:{listening['port']}"
        one.until(lambda: "backfill_rows_updated_total{" in one.metrics(), "the job has begun")
        one.works()
        yield one
    finally:
        one.process.kill()
        one.process.wait(10)
