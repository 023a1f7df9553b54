"""Partitions and children: an UPDATE of the table above them, and a job that updates each by its own name."""

from __future__ import annotations

from tests.differential.case import Case
from tests.differential.corpus.make import case

AUDIT = "CREATE TABLE app.audit (id int, what text)"
PARTITIONED = (
    AUDIT,
    "CREATE TABLE app.t (id int, region int, made text, n int) PARTITION BY LIST (region)",
    "CREATE TABLE app.t_0 (junk int, n int DEFAULT 7, made text DEFAULT 'leaf', region int, id int)",
    "ALTER TABLE app.t_0 DROP COLUMN junk",
    "ALTER TABLE app.t ATTACH PARTITION app.t_0 FOR VALUES IN (0)",
    "CREATE TABLE app.t_1 PARTITION OF app.t FOR VALUES IN (1) PARTITION BY HASH (id)",
    "CREATE TABLE app.t_1_0 PARTITION OF app.t_1 FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
    "CREATE TABLE app.t_1_1 PARTITION OF app.t_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    "INSERT INTO app.t SELECT i, i % 2, NULL, i FROM generate_series(1, 40) i",
)
INHERITED = (
    AUDIT,
    "CREATE TABLE app.t (id int, made text, n int)",
    "CREATE TABLE app.t_child (extra text DEFAULT 'x', n int, junk int, made text, id int)",
    "ALTER TABLE app.t_child DROP COLUMN junk",
    "ALTER TABLE app.t_child INHERIT app.t",
    "INSERT INTO app.t SELECT i, NULL, i FROM generate_series(1, 20) i",
    "INSERT INTO app.t_child (id, made, n) SELECT i, NULL, i FROM generate_series(21, 40) i",
)
TOTALS = (
    "CREATE TABLE app.totals (total bigint)",
    "INSERT INTO app.totals VALUES (0)",
    (
        "CREATE FUNCTION app.keep_totals() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE app.totals SET total = total"
        " + (SELECT coalesce(sum(n), 0) FROM new_rows) - (SELECT coalesce(sum(n), 0) FROM old_rows); RETURN NULL; END$$"
    ),
)
KEEP_TOTALS = (
    "CREATE TRIGGER keep_totals AFTER UPDATE ON app.{} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"
    " FOR EACH STATEMENT EXECUTE FUNCTION app.keep_totals()"
)
NOTED = (
    "CREATE FUNCTION app.noted() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
    " INSERT INTO app.audit VALUES (new.id, tg_table_name || ' ' || tg_op || ' ' || new::text); RETURN NULL; END$$"
)

CASES: dict[str, Case] = {
    "leaves: transition table of a partitioned table": case(
        *PARTITIONED, *TOTALS, KEEP_TOTALS.format("t"), set={"made": "'x'", "n": "n + 1"}, where="made IS NULL"
    ),
    "leaves: transition table above children": case(
        *INHERITED, *TOTALS, KEEP_TOTALS.format("t"), set={"made": "'x'", "n": "n + 1"}, where="made IS NULL"
    ),
    "leaves: transition table of a leaf": case(
        *PARTITIONED, *TOTALS, KEEP_TOTALS.format("t_0"), set={"made": "'x'", "n": "n + 1"}, where="made IS NULL"
    ),
    "leaves: transition table of a table alone": case(
        AUDIT,
        "CREATE TABLE app.t (id int, made text, n int)",
        "INSERT INTO app.t SELECT i, NULL, i FROM generate_series(1, 40) i",
        *TOTALS,
        KEEP_TOTALS.format("t"),
        set={"made": "'x'", "n": "n + 1"},
        where="made IS NULL",
    ),
    "leaves: the row as a whole, as text": case(*PARTITIONED, set={"made": "t::text"}, where="made IS NULL"),
    "leaves: the row as a whole, as json": case(
        *PARTITIONED, set={"made": "row_to_json(t)::text"}, where="made IS NULL"
    ),
    "leaves: the row of a child, as text": case(*INHERITED, set={"made": "t::text"}, where="made IS NULL"),
    "leaves: the row of a child, as jsonb": case(*INHERITED, set={"made": "to_jsonb(t)::text"}, where="made IS NULL"),
    "leaves: the row's type": case(*PARTITIONED, set={"made": "pg_typeof(t)::text"}, where="made IS NULL"),
    "leaves: a row in where": case(*INHERITED, set={"made": "'x'"}, where="made IS NULL AND length(t::text) < 10"),
    "leaves: a function of the row's type": case(
        *PARTITIONED,
        "CREATE FUNCTION app.label(app.t) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.id || '' of '' || $1.region'",
        set={"made": "app.label(t)"},
        where="made IS NULL",
    ),
    "leaves: a row that is null": case(*INHERITED, set={"made": "(t IS NOT NULL)::text"}, where="made IS NULL"),
    "leaves: tableoid": case(*PARTITIONED, set={"made": "tableoid::regclass::text"}, where="made IS NULL"),
    "leaves: a default of the leaf": case(*PARTITIONED, set={"n": "DEFAULT", "made": "'x'"}, where="made IS NULL"),
    "leaves: a default of the table above": case(
        *PARTITIONED,
        "ALTER TABLE ONLY app.t ALTER n SET DEFAULT 5",
        "ALTER TABLE app.t_1_0 ALTER n DROP DEFAULT",
        set={"n": "DEFAULT", "made": "'x'"},
        where="made IS NULL",
    ),
    "leaves: a default of a child": case(
        *INHERITED,
        "ALTER TABLE app.t_child ALTER n SET DEFAULT 9",
        set={"n": "DEFAULT", "made": "'x'"},
        where="made IS NULL",
    ),
    "leaves: an identity of a child": case(
        *INHERITED[:2],
        "CREATE TABLE app.t_child (n int GENERATED ALWAYS AS IDENTITY) INHERITS (app.t)",
        "INSERT INTO app.t_child (id) SELECT generate_series(1, 20)",
        set={"n": "5", "made": "'x'"},
        where="made IS NULL",
    ),
    "leaves: the table's name with its schema": case(
        *PARTITIONED, set={"made": "app.t.id::text"}, where="app.t.made IS NULL"
    ),
    "leaves: a trigger that moves rows to another partition": case(
        *PARTITIONED,
        "CREATE FUNCTION app.moved() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN IF new.id % 5 = 0 THEN new.region := 1 - new.region; END IF; RETURN new; END'",
        "CREATE TRIGGER moved BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.moved()",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
    "leaves: row triggers of the table above": case(
        *PARTITIONED,
        NOTED,
        "CREATE TRIGGER noted AFTER UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.noted()",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
    "leaves: row triggers of a parent and of a child": case(
        *INHERITED,
        NOTED,
        "CREATE TRIGGER noted AFTER UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.noted()",
        "CREATE TRIGGER noted AFTER UPDATE ON app.t_child FOR EACH ROW EXECUTE FUNCTION app.noted()",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
    "leaves: a rule of a child": case(
        *INHERITED,
        "CREATE RULE noted AS ON UPDATE TO app.t_child DO ALSO INSERT INTO app.audit VALUES (new.id, 'by a rule')",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
    "leaves: a rule of the table above": case(
        *INHERITED,
        "CREATE RULE noted AS ON UPDATE TO app.t DO ALSO INSERT INTO app.audit VALUES (old.id, 'by a rule')",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
    "leaves: a policy of the table above": case(
        *PARTITIONED,
        "ALTER TABLE app.t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY half ON app.t USING (id % 2 = 0)",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
    "leaves: a policy of a leaf": case(
        *PARTITIONED,
        "ALTER TABLE app.t_0 ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY half ON app.t_0 USING (id % 2 = 0)",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
    "leaves: no rights on a leaf": case(
        *PARTITIONED,
        "CREATE SCHEMA hidden",
        "ALTER TABLE app.t_0 SET SCHEMA hidden",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
    "leaves: one of several published": case(
        *PARTITIONED,
        "CREATE PUBLICATION partly FOR TABLE app.t_0",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
}
