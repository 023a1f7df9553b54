"""Row security, rights and owners: what the same role's plain UPDATE may do, a job may, and no more."""

from __future__ import annotations

from tests.differential.case import Case
from tests.differential.corpus.make import case, role

TEXTS = (
    "CREATE TABLE app.t (id int PRIMARY KEY, name text, made text)",
    "INSERT INTO app.t SELECT i, 'name' || i FROM generate_series(1, 20) i",
)
SECRETS = (
    "CREATE TABLE app.secrets (id int PRIMARY KEY, label text)",
    "INSERT INTO app.secrets SELECT i, 'label' || i FROM generate_series(1, 20) i",
    "ALTER TABLE app.secrets OWNER TO stranger",
    "GRANT USAGE ON SCHEMA app TO stranger",
    "ALTER TABLE app.secrets ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE app.secrets FORCE ROW LEVEL SECURITY",
)

CASES: dict[str, Case] = {
    "security: policies of a table that a definer's trigger reads": case(
        *TEXTS,
        *SECRETS,
        "CREATE POLICY everything ON app.secrets USING (true)",
        "CREATE FUNCTION app.labelled() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        " 'BEGIN new.name := (SELECT label FROM app.secrets s WHERE s.id = new.id); RETURN new; END'",
        "ALTER FUNCTION app.labelled() OWNER TO stranger",
        "CREATE TRIGGER labelled BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.labelled()",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
    "security: policies of a table that a sub-select reads": case(
        *TEXTS,
        *SECRETS,
        "CREATE POLICY half ON app.secrets FOR SELECT USING (id % 2 = 0)",
        set={"made": "coalesce((SELECT label FROM app.secrets s WHERE s.id = t.id), 'none')"},
        where="made IS NULL",
    ),
    "security: policies of a joined table": case(
        *TEXTS,
        *SECRETS,
        "CREATE POLICY half ON app.secrets FOR SELECT USING (id % 2 = 0)",
        set={"made": "s.label"},
        where="t.made IS NULL AND s.label IS NOT NULL",
        using={"table": "app.secrets", "as": "s", "on": "s.id = t.id"},
    ),
    "security: policies of the own table that hide nothing": case(
        *TEXTS,
        "ALTER TABLE app.t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY everything ON app.t USING (true)",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
    "security: policies of the own table": case(
        *TEXTS,
        "ALTER TABLE app.t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY half ON app.t USING (id % 2 = 0)",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
    "security: row_security off of the role": case(
        *TEXTS,
        *SECRETS,
        "CREATE POLICY half ON app.secrets FOR SELECT USING (id % 2 = 0)",
        set={"made": "coalesce((SELECT label FROM app.secrets s WHERE s.id = t.id), 'none')"},
        where="made IS NULL",
        settings=role(row_security="off"),
    ),
    "security: the owner of the table": case(
        *TEXTS,
        "ALTER TABLE app.t OWNER TO worker",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
    "security: rights on the columns alone": case(
        *TEXTS,
        "CREATE SCHEMA other",
        "ALTER TABLE app.t SET SCHEMA other",
        "GRANT USAGE ON SCHEMA other TO worker",
        "GRANT SELECT (id, made), UPDATE (made) ON other.t TO worker",
        table="other.t",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
    "security: a trigger that may not write": case(
        *TEXTS,
        "CREATE SCHEMA closed",
        "CREATE TABLE closed.audit (id int)",
        "CREATE FUNCTION app.noted() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO closed.audit VALUES (new.id); RETURN NULL; END'",
        "CREATE TRIGGER noted AFTER UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.noted()",
        set={"made": "'x'"},
        where="made IS NULL",
    ),
}
