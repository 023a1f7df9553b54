"""The tables that the engine is measured on, and what goes on around them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

MB = 1024**2
CHECKPOINTED_ROWS = 1_000_000


class Key(Enum):
    """Type of the primary key; rows lie in the order in which they were made, so UUIDs are random to it."""

    BIGINT = auto()
    UUID = auto()


class Beside(Enum):
    """What holds old row versions back during the run."""

    NOBODY = auto()
    SNAPSHOT = auto()
    """A transaction on the primary that was begun before and ends after."""
    STANDBY = auto()
    """A query on a standby, begun before and ended after, that tells the primary so (hot_standby_feedback)."""
    APPLICATION = auto()
    """Four clients whose transactions take 50 to 150 ms, one after another."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A table of people, one column of which is empty in the rows that match; autovacuum is off everywhere."""

    name: str
    title: str
    key: Key = Key.BIGINT
    fillfactor: int = 100
    indexes: int = 2
    """0; 2: the primary key and one more; or 5. None of them has the column that is set."""
    with_target_index: bool = False
    body_bytes: int = 0
    """Of another column, stored out of line (TOAST); never set."""
    one_in: int = 1
    """One row in so many matches."""
    clustered: bool = False
    """The rows that match lie together, at the end."""
    many_checkpoints: bool = False
    beside: Beside = Beside.NOBODY
    rows_share: float = 1.0
    """Of the rows that are asked for: less where each is dear."""

    @property
    def dense(self) -> bool:
        """Whether every row matches."""
        return self.one_in == 1

    @property
    def with_key(self) -> bool:
        """Whether batches by primary key can work here."""
        return self.indexes > 0

    @property
    def max_wal_size(self) -> str:
        """What makes checkpoints: about half of it is written between two of them."""
        return "256MB" if self.many_checkpoints else "16GB"

    def rows(self, asked: int) -> int:
        """Return the rows of the table; many checkpoints need one that lasts for several, up to four times as large."""
        if self.many_checkpoints:
            return max(asked, min(CHECKPOINTED_ROWS, 4 * asked))
        return int(asked * self.rows_share)


BASE = "base"
UUID_MANY = "uuid-many"
SCENARIOS = (
    Scenario(BASE, "bigint key, fillfactor 100, two indexes"),
    Scenario(UUID_MANY, "random UUID key, many checkpoints", key=Key.UUID, many_checkpoints=True),
    Scenario("uuid-few", "random UUID key, few checkpoints", key=Key.UUID),
    Scenario("fillfactor-50", "fillfactor 50", fillfactor=50),
    Scenario("sparse-1", "1 % of the rows match", one_in=100),
    Scenario("sparse-0.01", "0.01 % of the rows match", one_in=10_000),
    Scenario("clustered-1", "1 % match, all at the end", one_in=100, clustered=True),
    Scenario("wide", "rows of 2.7 kB (TOAST)", body_bytes=2560, rows_share=0.2),
    Scenario("no-index", "no index", indexes=0),
    Scenario("five-indexes", "five indexes", indexes=5),
    Scenario("indexed-target", "the column that is set is indexed", with_target_index=True),
    Scenario("old-snapshot", "an old snapshot is held throughout", beside=Beside.SNAPSHOT),
    Scenario("feedback", "hot_standby_feedback, a long query on the standby", beside=Beside.STANDBY),
    Scenario("application", "four clients with transactions of 50 to 150 ms", beside=Beside.APPLICATION),
)
