"""The recipes: every statement, job file and command of a page, in its order, on one database; then what has become of it."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.command import backfill
from tests.fixtures_postgres import Database

RECIPES = Path(__file__).parents[2] / "docs/recipes"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)

USERS = (
    "create table users (id int primary key, username text not null)",
    "insert into users select i, 'user' || i from generate_series(1, 50) i",
)
PAGES: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "not-null": (
        (
            *USERS,
            "create table events (id int, day date) partition by range (day)",
            "create table events_1 partition of events for values from ('2026-01-01') to ('2026-02-01')",
            "create table events_2 partition of events for values from ('2026-02-01') to ('2026-03-01')",
            "insert into events select i, date '2026-01-01' + i from generate_series(1, 50) i",
        ),
        {
            "select count(*) from users where plan = 'free' and token is not null": "50",
            "select count(*) from events where code = 'e-' || id": "50",
            "select count(*) from pg_index where indrelid in ('events'::regclass, 'events_1'::regclass,"
            " 'events_2'::regclass) and indisunique and indisvalid": "3",
            "insert into events values (7, '2026-01-08', 'e-7')": "duplicate key",
            "insert into events values (7, '2026-01-08')": "null value",
            "insert into users (id, username) values (99, 'new') returning token is not null": "True",
            "update users set token = null": "null value",
        },
    ),
    "rename": (
        (
            *USERS,
            "create table people (id int primary key, full_name text not null)",
            "insert into people select i, 'Ada of Place ' || i from generate_series(1, 50) i",
        ),
        {
            "select count(*) from users where handle = 'user' || id": "50",
            "select count(*) from people where first_name = 'Ada' and last_name = 'of Place ' || id": "50",
            "select username from users": "does not exist",
            "insert into users values (99, 'user7')": "duplicate key",
            "update people set last_name = null": "null value",
        },
    ),
    "types": (
        (
            "create type order_status as enum ('open', 'cancelled')",
            "create table orders (id int primary key, status order_status not null)",
            (
                "insert into orders select i, case when i > 25 then 'cancelled' else 'open' end::order_status"
                " from generate_series(1, 50) i"
            ),
            "create table tickets (id serial primary key, title text)",
            "insert into tickets (title) select 'title ' || i from generate_series(1, 50) i",
        ),
        {
            "select count(*) from orders where state::text = case when id > 25 then 'canceled' else 'open' end": "50",
            "select count(*) from tickets where title = 'title ' || id": "50",
            "select pg_typeof(id), pg_typeof(nextval('tickets_id_seq')) from tickets limit 1": "bigint",
            "insert into tickets (title) values ('new') returning id": "52",
            "insert into tickets (id, title) values (7, 'again')": "duplicate key",
            "select conname from pg_constraint where conrelid = 'tickets'::regclass and contype = 'p'": "tickets_pkey",
            "alter sequence tickets_id_seq restart 5000000000": "",
            "insert into tickets (title) values ('far') returning id": "5000000000",
        },
    ),
    "other-tools": (
        USERS,
        {
            "select count(*) from users where handle = 'user' || id": "50",
            "insert into users values (99, 'user99', 'user7')": "duplicate key",
        },
    ),
}


def statements_of(kind: str, text: str) -> Iterator[str]:
    """Yield the SQL of a block: statement by statement, or the literals that a tool's Python executes."""
    if kind == "sql":
        yield from re.split(r"(?<=;)\n", text.strip())
        return
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"execute", "RunSQL"}
        ):
            yield ast.literal_eval(node.args[0])


def play(page: str, database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Do what a page says; return the first words of its commands."""
    monkeypatch.chdir(folder)
    commands = []
    for kind, text in BLOCK.findall((RECIPES / f"{page}.md").read_text(encoding="utf-8")):
        if kind == "yaml":
            (folder / text.split()[1]).write_text(text, encoding="utf-8")
        elif kind == "sh":
            for line in text.splitlines():
                program, command, *arguments = shlex.split(line)
                assert program == "backfill"
                ended = backfill(
                    command, *(folder / a if a.endswith(".yaml") else a for a in arguments), dsn=database.dsn
                )
                assert ended.code == 0, (line, ended)
                commands.append(command)
        else:
            with psycopg.connect(database.dsn, autocommit=True) as connection:
                for statement in statements_of(kind, text):
                    connection.execute(statement.encode())
    return commands


LONG = ("rename", "types", "other-tools")
"""Left to make test-long: the whole change, and `demo --change`, show most of these."""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", [pytest.param(page, marks=[pytest.mark.long] * (page in LONG)) for page in PAGES])
def test_a_recipe_does_what_it_says(page: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made, expected = PAGES[page]
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        for statement in made:
            connection.execute(statement.encode())
    commands = play(page, database, tmp_path, monkeypatch)
    assert commands.count("run") == commands.count("finish")
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        for statement, said in expected.items():
            try:
                cursor = connection.execute(statement.encode())
                found = str(cursor.fetchone()[0]) if cursor.description else ""  # type: ignore[index]
            except psycopg.Error as error:
                found = str(error)
            assert found == said or (said and said in found), (statement, found)
        assert connection.execute("select count(*) from pg_trigger where not tgisinternal").fetchone() == (0,)


def test_every_page_is_played_and_listed():
    assert {path.stem for path in RECIPES.glob("*.md")} == set(PAGES)
    index = (RECIPES.parent / "recipes.md").read_text(encoding="utf-8")
    assert all(f"(recipes/{page}.md)" in index for page in PAGES)
