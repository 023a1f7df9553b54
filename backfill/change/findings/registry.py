"""All checks in the order in which they are shown, each with its name and what it says when all is well."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from backfill.change.findings import replicas, sessions, table, vacuum, values, wal, writes
from backfill.change.findings.facts import PlanFacts
from backfill.change.findings.finding import Finding, FindingLevel, ok
from backfill.values.errors import JobError
from backfill.values.text import shown


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `measured`: it judges what only a plan measures, so before a run it says nothing.

    `forecast`: it judges the WAL to come, and says nothing while that is not known.
    """

    name: str
    find: Callable[[PlanFacts], Iterable[Finding]]
    well: str
    measured: bool = False
    forecast: bool = False


CHECKS = (
    Check("where", values.convergence, "measured rows no longer match once they are set", measured=True),
    Check("state-schema", values.state, "schema backfill is there, or may be created", measured=True),
    Check("prediction", values.prediction, "which rows cannot converge is known before their update", measured=True),
    Check("volatile", values.volatile, "no expression is volatile", measured=True),
    Check("joins", values.joins, "each batch finds what it reads by an index", measured=True),
    Check("role-settings", values.settings, "the role's planner settings are the server's own", measured=True),
    Check("size", table.size, ""),
    Check("key", table.key, "there is a primary key"),
    Check("statistics", table.statistics, "the table was analysed"),
    Check("bloat", table.bloat, "few rows are dead"),
    Check("unlogged", table.unlogged, "its rows are in the WAL"),
    Check("not-valid-constraint", table.unproven_constraints, "every constraint is validated"),
    Check("invalid-index", table.invalid_indexes, "every index is valid"),
    Check("indexed-target", writes.indexed_targets, "no index holds a column that is set"),
    Check("indexed-by-trigger", writes.touched_indexes, "no trigger changes an indexed column", measured=True),
    Check("before-trigger", writes.before_triggers, "no BEFORE UPDATE trigger"),
    Check("after-trigger", writes.after_triggers, "no AFTER UPDATE trigger"),
    Check("foreign-key", writes.references, "no column that is set is a foreign key"),
    Check("referenced", writes.referenced, "no foreign key refers to a column that is set"),
    Check("publication", table.published, "the table is not published"),
    Check("subscription", table.subscribed, "no subscription writes the table"),
    Check("replica-identity", table.full_identity, "updates log the key at most"),
    Check("replica-none", replicas.seen, "replicas are counted"),
    Check("replica-missing", replicas.required, "every required replica is connected"),
    Check("replica-lag", replicas.lag, "no replica is behind"),
    Check("replica-synchronous", replicas.synchronous, "no commit waits for a replica"),
    Check("slot-lost", wal.slots_lost, "no slot is lost"),
    Check("slot-inactive", wal.slots_inactive, "every slot is read"),
    Check("slot-headroom", wal.slots_headroom, "slots have room for the WAL to come", forecast=True),
    Check("wal-keep", wal.unslotted, "replicas can catch up after an interruption", forecast=True),
    Check("checkpoints", wal.checkpoints, "checkpoints are far enough apart", forecast=True),
    Check("disk", wal.wal_to_come, "the WAL to come is below max_wal_size", forecast=True),
    Check("archiver", wal.archiver, "the archiver keeps up, or there is none"),
    Check("autovacuum", vacuum.autovacuum, "autovacuum is on"),
    Check("vacuum-right", vacuum.rights, "the role may vacuum the table"),
    Check("vacuum-running", vacuum.running, "nobody vacuums the table"),
    Check("wraparound", vacuum.wraparound, "transaction ids do not run out"),
    Check("old-snapshot", vacuum.snapshots, "no old snapshot holds dead rows"),
    Check("prepared-transaction", vacuum.prepared, "there is no prepared transaction"),
    Check("other-job", sessions.other_jobs, "no other job works on the table"),
    Check("after", sessions.earlier_jobs, "the jobs before it are done"),
    Check("pooler", sessions.pooler, "the connection is direct"),
    Check("connection-limit", sessions.connections, "no CONNECTION LIMIT is in the way", measured=True),
)
HIDDEN_WITH_REPLICATION = frozenset(
    {
        *("replica-none", "replica-missing", "replica-lag", "replica-synchronous"),
        *("slot-lost", "slot-inactive", "slot-headroom"),
    }
)
STOPS = ("where", "state-schema", "slot-lost", "slot-inactive", "wraparound", "prepared-transaction", "after")
"""Names of findings that can be a stop, and so can be forced."""


def find_all(facts: PlanFacts) -> tuple[Finding, ...]:
    """Return what every check says: its findings, or that all is well."""
    found: list[Finding] = []
    for check in CHECKS:
        if check.measured and facts.measured is None:
            continue
        if check.forecast and (facts.measured is None or facts.measured.wal_bytes is None):
            continue
        if not facts.signals.visible and check.name in HIDDEN_WITH_REPLICATION:
            continue  # such a role does not get to run
        found += list(check.find(facts)) or [ok(check.name, check.well)]
    return tuple(found)


def stops(findings: Iterable[Finding], forced: Collection[str] = ()) -> tuple[Finding, ...]:
    """Return the findings that a run is refused for."""
    return tuple(found for found in findings if found.level is FindingLevel.STOP and found.name not in forced)


def parse_forced(names: Iterable[str]) -> frozenset[str]:
    """Return the names of findings to force; raise JobError for one that is never a stop."""
    forced = frozenset(names)
    for name in sorted(forced - set(STOPS)):
        near = get_close_matches(name, STOPS, n=1)
        meant = f"did you mean '{near[0]}'?" if near else f"these can be forced: {', '.join(STOPS)}"
        raise JobError(f"--force: no finding {shown(name)} stops a run; {meant}")
    return forced
