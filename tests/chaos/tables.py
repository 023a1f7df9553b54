"""The table of a round and what watches it: an audit that commits with each update of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from tests.acceptance.command import job_text
from tests.chaos.catalogue import Shape
from tests.chaos.schedule import Plan

JOB = "chaos"
PARTITIONS = 3
COMMIT_KEY = 815
"""An advisory lock that every batch takes at its commit: whoever holds it makes batches stand there."""

_PLAIN = ("users", "username", "handle")
_ODD = ("Bestellungen „é“ 100%", "benutzer name", 'Käufer "x"')

SETUP = f"""
create table public.audit (id bigint not null, at timestamptz not null default clock_timestamp());
create table public.drag (seconds float8 not null);
insert into public.drag values (0);
create table public.brake (value float8 not null);
insert into public.brake values (0);
create function public.audited() returns trigger language plpgsql security definer as $$
begin
    if current_setting('application_name') like 'backfill:%' then
        insert into public.audit (id) values (new.id);
        if (select seconds > 0 from public.drag) then
            perform pg_sleep(seconds) from public.drag;
        end if;
    end if;
    return null;
end $$;
create function public.committing() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared({COMMIT_KEY});
    return null;
end $$;
create constraint trigger committing after insert on public.audit
    deferrable initially deferred for each row execute function public.committing();
grant select on public.brake to public;
"""
"""Run in a database that has the state schema already."""


@dataclass(frozen=True)
class Table:
    """The names and the size of a table, and its statements."""

    plan: Plan
    owner: str

    @property
    def names(self) -> tuple[str, str, str]:
        """The table's, the source's and the target's name."""
        return _ODD if self.plan.odd_names else _PLAIN

    @property
    def id_end(self) -> int:
        """The end of all ids; the first rows have the even ones, so that there is room between them."""
        return 2 * self.plan.rows

    def sql(self, text: LiteralString, **more: SQL | Identifier | Literal) -> Composed:
        """Return a statement with {t}, {source}, {target} and {owner} as this table has them."""
        table, source, target = self.names
        names = {"t": Identifier("public", table), "source": Identifier(source), "target": Identifier(target)}
        return SQL(text).format(**names, owner=Identifier(self.owner), **more)

    def leaf(self, number: int) -> Identifier:
        """Return the name of a partition."""
        return Identifier("public", f"{self.names[0]}_{number}")

    def leaf_range(self, number: int) -> tuple[int, int]:
        """Return the ids of a partition; the last one of those that are attached later is open."""
        step = -(-self.id_end // PARTITIONS)
        return number * step, (number + 1) * step

    def create(self) -> list[Composed]:
        """Return the statements that make it, with its rows; also after a DROP."""
        key = SQL("primary key" if self.plan.shape is not Shape.KEYLESS else "")
        parts = SQL("partition by range (id)" if self.plan.shape is Shape.PARTITIONED else "")
        statements = [
            self.sql(
                "create table {t} (id bigint {key}, {source} text not null, {target} text,"
                " filled integer not null default 0, counter integer not null default 0, mail text not null,"
                " note text not null) {parts}",
                key=key,
                parts=parts,
            )
        ]
        if self.plan.shape is Shape.PARTITIONED:
            statements += [self.create_leaf(number) for number in range(PARTITIONS)]
        statements += [
            self.sql("create index on {t} (mail)"),
            self.sql("create trigger audited after update on {t} for each row execute function public.audited()"),
            self.fill(0, self.id_end),
            self.sql("alter table {t} owner to {owner}"),
        ]
        if self.plan.shape is Shape.PARTITIONED:
            statements += [self.own(number) for number in range(PARTITIONS)]
        return statements

    def create_leaf(self, number: int) -> Composed:
        """Return the statement that makes a partition."""
        low, high = self.leaf_range(number)
        return self.sql(
            "create table {leaf} partition of {t} for values from ({low}) to ({high})",
            leaf=self.leaf(number),
            low=Literal(low),
            high=Literal(high),
        )

    def own(self, number: int) -> Composed:
        """Return the statement that gives a partition to the worker's role."""
        return self.sql("alter table {leaf} owner to {owner}", leaf=self.leaf(number))

    def fill(self, low: int, high: int) -> Composed:
        """Return the INSERT of rows with even ids of a range, due as the plan has it."""
        return self.sql(
            "insert into {t} (id, {source}, {target}, mail, note)"
            " select i, 'user' || i, case when mod(i, {every}) = 0 then null else 'user' || i end, 'mail' || i,"
            " repeat('x', {filler}) from generate_series({low}::bigint, {high}::bigint - 1, 2) i",
            every=Literal(100 if self.plan.sparse else 2),
            filler=Literal(self.plan.filler),
            low=Literal(low),
            high=Literal(high),
        )

    def job(self, rate_bytes_s: int, *, gate: bool, required: tuple[str, ...]) -> str:
        """Return the job file."""
        table, source, target = ('"' + name.replace('"', '""') + '"' for name in self.names)
        probes = ", probes: [{name: brake, sql: SELECT value FROM public.brake, max: 5, every: 200ms}]" if gate else ""
        limits = f"max_wal_rate: {max(64, rate_bytes_s // 1024)}kB/s, max_blocked_sessions: 1000{probes}"
        if required:
            limits += f", replicas: {{require: [{', '.join(required)}]}}"
        more = [f"lanes: {self.plan.lanes}", "lock_timeout: 10s", "statement_timeout: 20s", f"throttle: {{{limits}}}"]
        if self.plan.plain_stripes:
            more.append("batch: {stripes: 1}")
        return job_text(JOB, f"public.{table}", {target: source, "filled": "filled + 1"}, f"{target} IS NULL", *more)


def run(connection: psycopg.Connection[tuple[object, ...]], statements: list[Composed]) -> None:
    """Run statements in one transaction."""
    with connection.transaction():
        for one in statements:
            connection.execute(one)
