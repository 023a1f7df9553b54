"""Ten tables whose rows to do are hard to foresee, each with its job: what forecasts and progress are held against."""

from __future__ import annotations

from dataclasses import dataclass

ROWS = 20_000
_BASE = "id bigint primary key, username text, email text not null"
_INSERT = "insert into t (id, username, email) select i, 'user' || i, repeat('x', 60) || i from generate_series({}) i"


@dataclass(frozen=True)
class HardTable:
    """Statements that make table `t`; the handle is to be filled from the username."""

    make: tuple[str, ...]


def _table(*statements: str, options: str = "autovacuum_enabled = off") -> tuple[str, ...]:
    return (f"create table t ({_BASE}) with ({options})", *statements)


def _filled(rows: int, due: str) -> tuple[str, ...]:
    """Return the statements of a table with the column, in which the rows of a condition on `i` are to do."""
    return _table(
        "alter table t add column handle text",
        "insert into t select i, 'user' || i, repeat('x', 60) || i,"
        f" case when not ({due}) then 'user' || i end from generate_series(1, {rows}) i",
        "vacuum analyze t",
    )


TABLES = {
    "fresh column": HardTable(
        _table(_INSERT.format(f"1, {ROWS}"), "vacuum analyze t", "alter table t add column handle text")
    ),
    "stale statistics": HardTable(
        _table(
            "alter table t add column handle text",
            _INSERT.format("1, 1000"),
            "update t set handle = username",
            "vacuum analyze t",
            _INSERT.format(f"1001, {ROWS}"),
        )
    ),
    "skew": HardTable(_filled(ROWS, f"random() < power(i / {ROWS}.0, 4)")),
    "sparse": HardTable(_filled(2 * ROWS, "random() < 0.005")),
    "clustered at the end": HardTable(_filled(2 * ROWS, f"i > 2 * {ROWS} * 0.85")),
    "clustered at the start": HardTable(_filled(2 * ROWS, f"i < 2 * {ROWS} * 0.3")),
    "partitions": HardTable(
        (
            f"create table t ({_BASE}, handle text) partition by range (id)",
            *(
                f"create table t_{name} partition of t for values from ({low}) to ({high})"
                f" with (autovacuum_enabled = off)"
                for name, low, high in (("a", 1, ROWS // 10), ("b", ROWS // 10, ROWS // 2), ("c", ROWS // 2, 1_000_000))
            ),
            _INSERT.format(f"1, {ROWS}"),
            f"update t set handle = username where id between {ROWS // 10} and {ROWS // 2}",
            "vacuum analyze t",
        )
    ),
    "bloated": HardTable(
        _table(
            "alter table t add column handle text",
            _INSERT.format(f"1, {2 * ROWS}"),
            "delete from t where id % 3 <> 0",
            "vacuum analyze t",
        )
    ),
    "wide rows": HardTable(
        _table(
            "alter table t add column doc text, add column note text, add column handle text",
            "alter table t alter column doc set storage external",
            "insert into t select i, 'user' || i, repeat('x', 60) || i, repeat(md5(i::text), 150),"
            " repeat(md5((-i)::text), 20) from generate_series(1, 3000) i",
            "vacuum analyze t",
        )
    ),
    "indexed target": HardTable(
        _table(
            "alter table t add column token text, add column handle text",
            "insert into t select i, 'user' || i, repeat('x', 60) || i, md5(i::text), null"
            f" from generate_series(1, {ROWS}) i",
            "create index on t (token)",
            "create index on t (username)",
            "create index on t (handle)",
            "vacuum analyze t",
        )
    ),
    "trigger": HardTable(
        _table(
            "alter table t add column changed_at timestamptz not null default now(), add column handle text",
            _INSERT.format(f"1, {ROWS}"),
            "create index on t (changed_at)",
            "create function touch() returns trigger language plpgsql as"
            " $$begin new.changed_at := clock_timestamp(); return new; end$$",
            "create trigger touch before update on t for each row execute function touch()",
            "vacuum analyze t",
        )
    ),
}
