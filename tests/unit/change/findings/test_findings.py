"""Proves each finding on both sides of its limit, and that what is unknown is not judged to be well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backfill.change.findings.facts import (
    EarlierJob,
    ForeignKeyFacts,
    MeasuredFacts,
    OtherJob,
    PlanFacts,
    PreparedTransaction,
    ServerSettings,
    SlotFacts,
    TableFacts,
)
from backfill.change.findings.finding import FindingLevel
from backfill.change.findings.registry import CHECKS, STOPS, find_all, parse_forced, stops
from backfill.throttle.signals import Archiver, Replica, ReplicationSlot, Upkeep
from backfill.values.errors import JobError
from tests.factories import MB, limits, replica, signals

GB = 1024 * MB
HEALTHY = PlanFacts(
    table="public.users",
    limits=limits(),
    signals=signals(0, 1000, replica("replica-a", 1000)),
    server=ServerSettings(version=180000),
    tables=(TableFacts(name="public.users", live_rows=1_000_000, heap_bytes=GB),),
    measured=MeasuredFacts(rows=250, wal_bytes=100 * MB),
)


def table(**changed: Any) -> dict[str, Any]:
    return {"tables": (replace(HEALTHY.tables[0], **changed),)}


def server(**changed: Any) -> dict[str, Any]:
    return {"server": replace(HEALTHY.server, **changed)}


def measured(**changed: Any) -> dict[str, Any]:
    return {"measured": replace(HEALTHY.measured or MeasuredFacts(), **changed)}


def seen(*replicas: Replica, **changed: Any) -> dict[str, Any]:
    return {"signals": signals(0, 400 * MB, *(replicas or (replica("replica-a", 400 * MB),)), **changed)}


def upkeep(**changed: Any) -> dict[str, Any]:
    return seen(upkeep=Upkeep(**changed))


MUCH_WAL = replace(HEALTHY.measured or MeasuredFacts(), wal_bytes=3 * GB)
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "where stays true for all": (measured(rows_unconverged=250), "stop where"),
    "where stays true for some": (measured(rows_unconverged=2), "warn where"),
    "nothing measured": (measured(rows=0, unmeasured="the table is empty"), "warn where"),
    "no state schema": (measured(state_missing=True), "stop state-schema"),
    "no prediction": (measured(predicted=False), "warn prediction"),
    "volatile": (measured(volatile=("random",)), "warn volatile"),
    "read whole": (measured(read_whole=(("accounts", 20_000),)), "warn read-whole"),
    "several partners": (measured(several_partners="public.accounts"), "warn several-partners"),
    "planner settings": (measured(enabled_settings=("enable_tidscan = off",)), "warn role-settings"),
    "tight connections": (measured(connections_tight="role w may have 1 connection"), "warn connection-limit"),
    "no key": (table(has_key=False), "warn key"),
    "never analysed": (table(analysed=False), "warn statistics"),
    "dead rows": (table(dead_rows=300_000), "warn bloat"),
    "unlogged": (table(logged=False), "warn unlogged"),
    "NOT VALID": (table(unproven_constraints=("users_check",)), "warn not-valid-constraint"),
    "invalid index": (table(invalid_indexes=("public.users_x_ccnew",)), "warn invalid-index"),
    "indexed target": (table(target_indexes=("users_handle_idx",)), "warn indexed-target"),
    "index by trigger": (measured(touched=("changed_at",)), "warn indexed-by-trigger"),
    "before trigger": (table(before_triggers=("touch",)), "warn before-trigger"),
    "after trigger": (table(after_triggers=("audit",)), "warn after-trigger"),
    "foreign key": (table(references=("users_account_fkey",)), "warn foreign-key"),
    "referenced": (
        table(referenced_by=(ForeignKeyFacts(name="o_fkey", table="orders", indexed=False),)),
        "warn referenced",
    ),
    "published": (table(publications=("warehouse",)), "warn publication"),
    "subscribed": (table(subscriptions=("from_old",)), "warn subscription"),
    "full identity": (table(full_identity=True), "warn replica-identity"),
    "no replica": ({"signals": signals(0, 1000)}, "warn replica-none"),
    "required replica": ({"limits": limits(replicas={"require": ["replica-z"]})}, "warn replica-missing"),
    "replica behind": (seen(replica("replica-a", 10 * MB)), "warn replica-lag"),
    "replica unknown": (seen(replica("replica-a", None, "startup")), "warn replica-lag"),
    "synchronous": (seen(replace(replica("replica-a", 400 * MB), sync=True)), "warn replica-synchronous"),
    "synchronous missing": (server(synchronous_missing=True), "warn replica-synchronous"),
    "slot lost": (seen(slots=(ReplicationSlot(name="s", wal_status="lost", retained_bytes=None),)), "stop slot-lost"),
    "slot inactive": (server(slots_inactive=(SlotFacts(name="s", retained_bytes=MB),)), "warn slot-inactive"),
    "slot unreserved": (
        server(slots_inactive=(SlotFacts(name="s", wal_status="unreserved", retained_bytes=MB),)),
        "stop slot-inactive",
    ),
    "slot over its limit": (
        server(slots_inactive=(SlotFacts(name="s", retained_bytes=11 * GB),)),
        "stop slot-inactive",
    ),
    "slot with the WAL to come": (
        server(slots_inactive=(SlotFacts(name="s", retained_bytes=10 * GB - MB),)),
        "stop slot-inactive",
    ),
    "slot without room": (
        server(slots_inactive=(SlotFacts(name="s", retained_bytes=MB, safe_bytes=50 * MB),)),
        "stop slot-inactive",
    ),
    "slot with little room": (
        seen(slots=(ReplicationSlot(name="s", wal_status="reserved", retained_bytes=MB, safe_bytes=50 * MB),)),
        "warn slot-headroom",
    ),
    "no slot, much WAL": ({"measured": MUCH_WAL} | server(unslotted=("replica-a",)), "warn wal-keep"),
    "checkpoints": ({"measured": MUCH_WAL} | server(max_wal_bytes=100 * MB), "warn checkpoints"),
    "disk": ({"measured": MUCH_WAL}, "warn disk"),
    "archiver fails": (seen(archiver=Archiver(MB, failing=True)), "warn archiver"),
    "archiver behind": (seen(archiver=Archiver(2 * GB, failing=False)), "warn archiver"),
    "autovacuum off": (server(autovacuum=False), "warn autovacuum"),
    "track_counts off": (server(track_counts=False), "warn autovacuum"),
    "autovacuum of the table off": (table(autovacuum=False), "warn autovacuum-table"),
    "no right to vacuum": (upkeep(vacuum_needs="GRANT MAINTAIN ON public.users TO app;"), "warn vacuum-right"),
    "vacuum runs": (upkeep(vacuumed_by="psql (pid 7)"), "warn vacuum-running"),
    "vacuum against wraparound": (upkeep(vacuum="public.users"), "warn vacuum-running"),
    "wraparound": (server(database_age=1_700_000_000), "stop wraparound"),
    "not frozen": (table(frozen_age=400_000_000), "warn wraparound"),
    "old snapshot": (upkeep(oldest_snapshot_s=61.0, oldest_snapshot="psql pid 7"), "warn old-snapshot"),
    "prepared": (
        server(prepared=(PreparedTransaction(gid="g", age_s=5, owner="app"),)),
        "warn prepared-transaction",
    ),
    "prepared that blocks": (
        server(prepared=(PreparedTransaction(gid="g", age_s=5, owner="app", blocks=True),)),
        "stop prepared-transaction",
    ),
    "after a job that runs": ({"earlier": (EarlierJob("users", "running"),)}, "stop after"),
    "after a job that never ran": ({"earlier": (EarlierJob("a", "done"), EarlierJob("b", None))}, "stop after"),
    "other job": ({"others": (OtherJob(name="users-nick", state="running"),)}, "warn other-job"),
    "unfinished job": ({"others": (OtherJob(name="old", state="failed", columns=("handle",)),)}, "warn other-job"),
    "pooler": (server(pooled=True), "warn pooler"),
}


def against(facts: PlanFacts) -> list[str]:
    return [f"{found.level} {found.name}" for found in find_all(facts) if found.level is not FindingLevel.OK]


def test_nothing_is_found_on_a_healthy_database():
    found = find_all(HEALTHY)
    assert against(HEALTHY) == []
    assert [finding.name for finding in found] == [check.name for check in CHECKS]
    assert all(finding.reason for finding in found)


@pytest.mark.parametrize("name", BAD)
def test_what_is_bad_is_found_and_nothing_else(name: str):
    changed, expected = BAD[name]
    # Much WAL is found from several sides at once.
    beside = {"disk", "checkpoints"} - {expected.split()[1]} if changed.get("measured") == MUCH_WAL else set[str]()
    assert [found for found in against(replace(HEALTHY, **changed)) if found.split()[1] not in beside] == [expected]


def test_every_stop_has_a_remedy_and_can_be_forced():
    levels = {expected for _, expected in BAD.values()}
    assert {f"stop {name}" for name in STOPS} == {level for level in levels if level.startswith("stop")}
    for changed, expected in BAD.values():
        facts = replace(HEALTHY, **changed)
        for found in stops(find_all(facts)):
            assert found.remedy
            assert expected == f"stop {found.name}"
            assert stops(find_all(facts), {found.name}) == ()


@pytest.mark.parametrize(
    "well",
    [
        table(dead_rows=999),
        table(dead_rows=249_000),
        table(frozen_age=300_000_000),
        upkeep(oldest_snapshot_s=60.0),
        server(slots_inactive=(SlotFacts(name="never-used"),)),
        seen(
            replica("replica-a", 400 * MB), slots=(ReplicationSlot(name="s", wal_status="reserved", retained_bytes=0),)
        ),
        seen(replace(replica("dr-1", 0)), replica("replica-a", 400 * MB))
        | {"limits": limits(replicas={"ignore": ["dr-*"]})},
        {"asked_directly": ("a:5432",), "signals": signals(0, 1000)},
        server(unslotted=("replica-a",)),
        {"earlier": (EarlierJob("a", "done"),)},
    ],
)
def test_what_is_within_its_limit_is_well(well: dict[str, Any]):
    assert against(replace(HEALTHY, **well)) == []


def test_a_run_does_not_judge_what_only_a_plan_measures():
    names = {finding.name for finding in find_all(replace(HEALTHY, measured=None))}
    assert names == {check.name for check in CHECKS if not (check.measured or check.forecast)}


def test_wal_that_is_not_forecast_is_not_judged():
    names = {finding.name for finding in find_all(replace(HEALTHY, **measured(wal_bytes=None)))}
    assert not names & {"slot-headroom", "wal-keep", "checkpoints", "disk"}


def test_replication_that_is_hidden_is_not_judged():
    names = {finding.name for finding in find_all(replace(HEALTHY, signals=replace(HEALTHY.signals, visible=False)))}
    assert not {name for name in names if name.startswith(("replica-", "slot-"))} - {"replica-identity"}


def test_many_tables_are_one_finding_that_names_a_few():
    tables = tuple(TableFacts(name=f"public.users_{number}", has_key=False) for number in range(9))
    [key] = [found for found in find_all(replace(HEALTHY, tables=tables)) if found.name == "key"]
    assert key.reason.startswith("no primary key on public.users_0, public.users_1, public.users_2 and 6 more: ")


def test_a_misspelt_name_is_not_forced():
    assert parse_forced(["wraparound"]) == {"wraparound"}
    with pytest.raises(JobError, match="did you mean 'slot-inactive'"):
        parse_forced(["slot-inactiv"])
