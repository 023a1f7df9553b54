"""Findings about replicas: which count, which are missing, how far they are behind, who waits for them."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.change.findings.facts import PlanFacts
from backfill.change.findings.finding import Finding, listed, warn
from backfill.throttle.conditions.replication import BUDGET_SHARE, counted
from backfill.values.units import format_rate, format_size


def required(facts: PlanFacts) -> Iterator[Finding]:
    """Yield required replicas that are not there."""
    present = {replica.name for replica in facts.signals.replicas}
    for name in facts.limits.replicas.require:
        if name not in present:
            yield warn("replica-missing", f"required replica {name} is not connected", "a run waits until it is")


def seen(facts: PlanFacts) -> Iterator[Finding]:
    """Yield that no replica limits the job."""
    if not facts.asked_directly and not any(counted(facts.limits, replica.name) for replica in facts.signals.replicas):
        rate = format_rate(facts.limits.max_wal_rate_bytes_s)
        yield warn(
            "replica-none",
            f"no replica is counted: max_wal_rate {rate} alone sets the pace",
            "name those that must be connected in throttle.replicas.require",
        )


def lag(facts: PlanFacts) -> Iterator[Finding]:
    """Yield replicas that are behind already, and those whose position is unknown."""
    for replica in facts.signals.replicas:
        if not counted(facts.limits, replica.name):
            continue
        if replica.replay_lsn is None and replica.lag_s is None:
            state = replica.state or "unknown"
            yield warn("replica-lag", f"{replica.name} replay position unknown (state {state})", "a run waits for it")
            continue
        behind = facts.signals.insert_lsn - (replica.replay_lsn or facts.signals.insert_lsn)
        limit = facts.limits.max_lag_bytes * BUDGET_SHARE
        if behind > limit:
            text = f"{replica.name} lag {format_size(behind)} > {format_size(limit)}"
            yield warn("replica-lag", text, "a run waits until it has caught up")


def synchronous(facts: PlanFacts) -> Iterator[Finding]:
    """Yield replicas that commits wait for, and a wait that nobody answers."""
    names = [replica.name for replica in facts.signals.replicas if replica.sync and counted(facts.limits, replica.name)]
    if names:
        text = f"commits of the application wait for {listed(names)}: our queue before it is kept shorter"
        yield warn("replica-synchronous", text)
    if facts.server.synchronous_missing:
        yield warn(
            "replica-synchronous",
            "synchronous_standby_names asks for a standby that is not connected: commits of the application hang",
            "connect it, or change synchronous_standby_names",
        )
