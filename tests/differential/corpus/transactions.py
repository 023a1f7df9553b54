"""What holds over a whole statement or transaction, where a job has several; and publications."""

from __future__ import annotations

from tests.differential.case import Case
from tests.differential.corpus.make import case

LISTS = (
    "CREATE TABLE app.t (id int PRIMARY KEY, list_id int, pos int, shifted bool NOT NULL DEFAULT false)",
    "INSERT INTO app.t SELECT i, i % 2, i / 2 FROM generate_series(1, 40) i",
)
ACCOUNTS = (
    "CREATE TABLE app.t (id int PRIMARY KEY, minor bigint, booked bool NOT NULL DEFAULT false)",
    "INSERT INTO app.t SELECT i, 0 FROM generate_series(1, 40) i",
    (
        "CREATE FUNCTION app.balanced() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " IF (SELECT sum(minor) FROM app.t) <> 0 THEN RAISE EXCEPTION 'out of balance'; END IF; RETURN NULL; END$$"
    ),
    (
        "CREATE CONSTRAINT TRIGGER balanced AFTER INSERT OR UPDATE ON app.t DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION app.balanced()"
    ),
)
TEXTS = (
    "CREATE TABLE app.t (id int PRIMARY KEY, name text, made text)",
    "INSERT INTO app.t SELECT i, 'name' || i FROM generate_series(1, 20) i",
)
FIRINGS = (
    "CREATE TABLE app.firings (at timestamptz)",
    "CREATE TABLE app.audit (id int, what text)",
    (
        "CREATE FUNCTION app.fired() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO app.firings VALUES (now()); RETURN NULL; END'"
    ),
)

CASES: dict[str, Case] = {
    "transaction: deferred unique": case(
        *LISTS,
        "ALTER TABLE app.t ADD UNIQUE (list_id, pos) DEFERRABLE INITIALLY DEFERRED",
        set={"pos": "pos + 1", "shifted": "true"},
        where="NOT shifted",
    ),
    "transaction: deferrable unique": case(
        *LISTS,
        "ALTER TABLE app.t ADD UNIQUE (list_id, pos) DEFERRABLE",
        set={"pos": "pos + 1", "shifted": "true"},
        where="NOT shifted",
    ),
    "transaction: deferred exclusion": case(
        *LISTS,
        "ALTER TABLE app.t ADD COLUMN span int4range",
        "UPDATE app.t SET span = int4range(id, id + 1)",
        "ALTER TABLE app.t ADD EXCLUDE USING gist (span WITH &&) DEFERRABLE INITIALLY DEFERRED",
        set={"span": "int4range(id + 1, id + 2)", "shifted": "true"},
        where="NOT shifted",
    ),
    "transaction: deferred constraint trigger": case(
        *ACCOUNTS,
        set={"minor": "CASE WHEN id <= 20 THEN 5 ELSE -5 END", "booked": "true"},
        where="NOT booked",
    ),
    "transaction: deferred foreign key of the own table": case(
        "CREATE TABLE app.t (id int PRIMARY KEY, key int UNIQUE, other int, moved bool NOT NULL DEFAULT false)",
        "INSERT INTO app.t SELECT i, i, 41 - i FROM generate_series(1, 40) i",
        "ALTER TABLE app.t ADD FOREIGN KEY (other) REFERENCES app.t (key) DEFERRABLE INITIALLY DEFERRED",
        set={"key": "key + 100", "other": "other + 100", "moved": "true"},
        where="NOT moved",
    ),
    "transaction: a deferred trigger that holds row by row": case(
        *TEXTS,
        *FIRINGS,
        "CREATE FUNCTION app.noted() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO app.audit VALUES (new.id, new.made); RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER noted AFTER UPDATE ON app.t DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION app.noted()",
        set={"made": "name"},
        where="made IS NULL",
    ),
    "transaction: a statement trigger": case(
        *TEXTS,
        *FIRINGS,
        "CREATE TRIGGER fired AFTER UPDATE ON app.t FOR EACH STATEMENT EXECUTE FUNCTION app.fired()",
        set={"made": "name"},
        where="made IS NULL",
    ),
    "transaction: a transition table's rows": case(
        *TEXTS,
        *FIRINGS,
        "CREATE FUNCTION app.copied() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO app.audit SELECT id, made FROM new_rows; RETURN NULL; END'",
        "CREATE TRIGGER copied AFTER UPDATE ON app.t REFERENCING NEW TABLE AS new_rows"
        " FOR EACH STATEMENT EXECUTE FUNCTION app.copied()",
        set={"made": "name"},
        where="made IS NULL",
    ),
    "transaction: a check that some rows break": case(
        *TEXTS,
        "ALTER TABLE app.t ADD CHECK (made <> 'name13')",
        set={"made": "name"},
        where="made IS NULL",
    ),
    "transaction: a cast that some rows break": case(
        *TEXTS,
        "ALTER TABLE app.t ADD COLUMN n int",
        set={"n": "CASE WHEN id = 13 THEN name ELSE '1' END::int"},
        where="n IS NULL",
    ),
    "publication: all tables": case(
        *TEXTS, "CREATE PUBLICATION everything FOR ALL TABLES", set={"made": "name"}, where="made IS NULL"
    ),
    "publication: no replica identity": case(
        *TEXTS,
        "ALTER TABLE app.t REPLICA IDENTITY NOTHING",
        "CREATE PUBLICATION partly FOR TABLE app.t",
        set={"made": "name"},
        where="made IS NULL",
    ),
    "publication: a filter on other columns": case(
        *TEXTS,
        "CREATE PUBLICATION partly FOR TABLE app.t WHERE (name <> 'name3')",
        server_min=150000,
        set={"made": "name"},
        where="made IS NULL",
    ),
    "publication: columns": case(
        *TEXTS,
        "CREATE PUBLICATION partly FOR TABLE app.t (id, made)",
        server_min=150000,
        set={"made": "name"},
        where="made IS NULL",
    ),
}
