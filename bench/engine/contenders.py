"""Who takes part: the plain UPDATE that all are compared with, the rivals, and `backfill run` under several jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from backfill.events.batch import BatchDone
from backfill.events.job import Finished, Started
from bench.engine import rivals
from bench.engine.dataset import Dataset
from bench.engine.scenario import Scenario
from bench.engine.tally import Tally
from bench.engine.usage import Usage, usage
from bench.workload import events, job_file, worker

PLAIN, KEYSET = "plain UPDATE", "keyset"
PAGES, UNVACUUMED = "pages", "no vacuum"
ONE_LANE, TWO_LANES = "one lane", "two lanes"
COMPRESSED, COMPRESSED_LANES = "compressed", "compressed lanes"

Fill = Callable[[Dataset, Tally], Usage | None]
"""Fills the column of table users, counts its batches; says what its process used, where it has one of its own."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to fill the column."""

    name: str
    title: str
    fill: Fill
    job: Mapping[str, str] | None = None
    """Keys of our job beside the table, the column and the limits; None: a rival."""
    needs_key: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether it is `backfill run`."""
        return self.job is not None

    def plays(self, scenario: Scenario) -> bool:
        """Whether it can fill this table."""
        return scenario.with_key or not self.needs_key


def _ours(name: str, title: str, job: Mapping[str, str]) -> Contender:
    """Return `backfill run` with these keys in its job; its time runs from its first event to its last.

    So passes and the final read of the whole table are in it, the start of Python is not.
    """

    def fill(subject: Dataset, tally: Tally) -> Usage | None:
        before = after = None
        with job_file(more=job) as path, worker(subject.dsn, path) as process:
            for at_s, event in events(process):
                match event:
                    case Started() if before is None:
                        tally.begin(at_s)
                        before = usage(process.pid)
                    case BatchDone():
                        tally.batch(at_s, event.rows, event.took_s)
                    case Finished():
                        tally.end(at_s)
                    case _:
                        continue
                after = usage(process.pid) or after
        if before is None or after is None:
            return None
        return Usage(after.cpu_s - before.cpu_s, after.peak_bytes)

    return Contender(name, title, fill, job=job)


CONTENDERS = (
    Contender(PLAIN, "one plain UPDATE", rivals.plain),
    Contender("folklore", "ctid IN (SELECT … LIMIT n)", rivals.folklore),
    Contender(KEYSET, "keyset by primary key", rivals.keyset, needs_key=True),
    Contender("gitlab", "GitLab's ranges and sub-batches", rivals.gitlab, needs_key=True),
    Contender("pgroll", "pgroll's locked keyset", rivals.pgroll, needs_key=True),
    _ours(PAGES, "backfill, page ranges (stripes: 1)", {"batch": "{stripes: 1}", "vacuum": "off"}),
    _ours(UNVACUUMED, "backfill, vacuum: off", {"vacuum": "off"}),
    _ours(ONE_LANE, "backfill", {}),
    _ours(TWO_LANES, "backfill, two lanes", {"lanes": "2"}),
    _ours(COMPRESSED, "backfill, compression", {"wal_compression": "on"}),
    _ours(COMPRESSED_LANES, "backfill, compression, 2 lanes", {"lanes": "2", "wal_compression": "on"}),
)
"""The first is what the others are compared with; plain page ranges go before what is compared with them."""
