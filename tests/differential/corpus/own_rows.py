"""Expressions that look at other rows of the own table, or at more of a row than its values."""

from __future__ import annotations

from tests.differential.case import Case
from tests.differential.corpus.make import case

FLAGS = (
    "CREATE TABLE app.t (id int PRIMARY KEY, user_id int, is_primary bool NOT NULL DEFAULT false, n int)",
    "INSERT INTO app.t SELECT i, i / 3, false, NULL FROM generate_series(1, 40) i",
)
COUNTED = (
    "CREATE TABLE app.t (id int PRIMARY KEY, n int)",
    "INSERT INTO app.t SELECT i, i % 5 FROM generate_series(1, 40) i",
)

CASES: dict[str, Case] = {
    "own rows: one of each group": case(
        *FLAGS,
        set={"is_primary": "true"},
        where="NOT EXISTS (SELECT FROM app.t o WHERE o.user_id = t.user_id AND o.is_primary)"
        " AND id = (SELECT min(o.id) FROM app.t o WHERE o.user_id = t.user_id)",
    ),
    "own rows: a count of what is set": case(
        *FLAGS, set={"n": "(SELECT count(*) FROM app.t o WHERE o.n IS NOT NULL)"}, where="n IS NULL"
    ),
    "own rows: a condition on what is set": case(
        *FLAGS,
        set={"is_primary": "true"},
        where="NOT is_primary AND (SELECT count(*) FROM app.t o WHERE o.is_primary) < 5",
    ),
    "own rows: a row before": case(
        *FLAGS,
        set={"n": "coalesce((SELECT o.n FROM app.t o WHERE o.id = t.id - 1), 0) + 1"},
        where="n IS NULL",
    ),
    "own rows: what is not set": case(
        *FLAGS, set={"n": "(SELECT count(*) FROM app.t o WHERE o.user_id = t.user_id)"}, where="n IS NULL"
    ),
    "own rows: a view of the own table": case(
        *FLAGS,
        "CREATE VIEW app.filled AS SELECT count(*) AS n FROM app.t WHERE n IS NOT NULL",
        set={"n": "(SELECT f.n FROM app.filled f)"},
        where="n IS NULL",
    ),
    "own rows: a function that reads the own table": case(
        *FLAGS,
        "CREATE FUNCTION app.filled() RETURNS int LANGUAGE sql STABLE AS 'SELECT count(n) FROM app.t'",
        set={"n": "app.filled()"},
        where="n IS NULL",
    ),
    "own rows: a trigger that reads the own table": case(
        *FLAGS,
        "CREATE FUNCTION app.numbered() RETURNS trigger LANGUAGE plpgsql STABLE AS"
        " 'BEGIN new.n := (SELECT count(n) FROM app.t); RETURN new; END'",
        "CREATE TRIGGER numbered BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.numbered()",
        set={"n": "0"},
        where="n IS NULL",
    ),
    "own rows: a join with itself": case(
        *FLAGS,
        set={"n": "coalesce(o.n, 0) + 1"},
        where="t.n IS NULL",
        using={"table": "app.t", "as": "o", "on": "o.id = t.id - 1"},
    ),
    "own rows: a row that goes on matching": case(*COUNTED, set={"n": "n + 1"}, where="n < 5"),
    "own rows: a row that matches for ever": case(*COUNTED, set={"n": "n + 1"}, where="n >= 0"),
    "own rows: a few that go on matching": case(
        *COUNTED, set={"n": "CASE WHEN n = 4 THEN 9 ELSE n END"}, where="n < 5"
    ),
    "own rows: size of a value": case(
        "CREATE TABLE app.t (id int PRIMARY KEY, doc text)",
        "ALTER TABLE app.t ALTER COLUMN doc SET STORAGE EXTERNAL",
        "INSERT INTO app.t SELECT i, repeat('some text ', 500) FROM generate_series(1, 20) i",
        "ALTER TABLE app.t ALTER COLUMN doc SET STORAGE EXTENDED",
        set={"doc": "doc || ''"},
        where="pg_column_size(doc) > 1000",
    ),
    "own rows: a trigger that undoes": case(
        *COUNTED,
        "CREATE FUNCTION app.kept() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN IF new.id % 4 = 0 THEN RETURN NULL; END IF; RETURN new; END'",
        "CREATE TRIGGER kept BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.kept()",
        set={"n": "100"},
        where="n < 5",
    ),
    "own rows: a trigger that counts updates": case(
        "CREATE TABLE app.t (id int PRIMARY KEY, name text, made text, updates int NOT NULL DEFAULT 0)",
        "INSERT INTO app.t SELECT i, CASE WHEN i % 3 > 0 THEN 'name' || i END FROM generate_series(1, 40) i",
        "CREATE FUNCTION app.counted() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN new.updates := old.updates + 1; RETURN new; END'",
        "CREATE TRIGGER counted BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.counted()",
        set={"made": "name"},
        where="made IS NULL",
    ),
    "own rows: a trigger that makes other rows match": case(
        *COUNTED,
        "CREATE FUNCTION app.passed_on() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN UPDATE app.t SET n = 1 WHERE id = new.id - 1 AND n > 4; RETURN NULL; END'",
        "CREATE TRIGGER passed_on AFTER UPDATE ON app.t FOR EACH ROW WHEN (new.n = 9) EXECUTE FUNCTION app.passed_on()",
        set={"n": "9"},
        where="n < 2",
    ),
    "own rows: fifty-one columns": case(
        "CREATE TABLE app.t (id int PRIMARY KEY, done bool, "
        + ", ".join(f"c{number} int" for number in range(51))
        + ")",
        "INSERT INTO app.t SELECT i FROM generate_series(1, 40) i",
        set={f"c{number}": "coalesce(t.c0, 0) + 1" for number in range(51)},
        where="id > 0",
    ),
    "own rows: a condition that fails on the row as it is set": case(
        *COUNTED, "UPDATE app.t SET n = n + 1", set={"n": "0"}, where="10 / n > 1"
    ),
    "own rows: a condition that fails on a part of the rows as set": case(
        *COUNTED,
        "ALTER TABLE app.t ADD COLUMN made text",
        set={"made": "CASE WHEN id = 13 THEN 'x' ELSE '1' END"},
        where="made IS NULL OR made::int < 0",
    ),
}
