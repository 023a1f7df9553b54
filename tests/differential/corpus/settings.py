"""Settings of the database, the role and the DSN that decide what an expression means."""

from __future__ import annotations

from tests.differential.case import Case, Setting
from tests.differential.corpus.make import case, database, dsn, role

TIMES = (
    "CREATE TABLE app.t (id int PRIMARY KEY, created_at timestamptz, day date, legacy timestamp, at timestamptz)",
    (
        "INSERT INTO app.t SELECT i, '2024-03-09 00:00Z'::timestamptz + i * interval '97 minutes', NULL,"
        " '2024-03-10 00:00'::timestamp + i * interval '7 minutes', NULL FROM generate_series(1, 40) i"
    ),
)
TEXTS = (
    "CREATE TABLE app.t (id int PRIMARY KEY, name text, made text)",
    "INSERT INTO app.t SELECT i, CASE WHEN i % 3 > 0 THEN 'name' || i END, NULL FROM generate_series(1, 20) i",
)
WITNESS = (
    (
        "CREATE FUNCTION app.witness() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN new.name := concat_ws(' ',"
        " current_setting('TimeZone'), current_setting('DateStyle'), current_setting('IntervalStyle'),"
        " current_setting('extra_float_digits'), current_setting('array_nulls'), current_setting('row_security'),"
        " current_setting('bytea_output'), current_setting('search_path'), current_setting('lc_monetary'),"
        " current_setting('xmloption'), current_setting('standard_conforming_strings'));"
        " RETURN new; END$$"
    ),
    "CREATE TRIGGER witness BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.witness()",
)

CASES: dict[str, Case] = {
    "time zone of the database": case(
        *TIMES,
        set={"day": "created_at::date", "at": "legacy"},
        where="day IS NULL",
        settings=database(timezone="America/New_York"),
    ),
    "time zone of the role": case(
        *TIMES, set={"day": "created_at::date"}, where="day IS NULL", settings=role(timezone="Asia/Tokyo")
    ),
    "time zone of the DSN": case(
        *TIMES, set={"at": "legacy"}, where="at IS NULL", settings=dsn(timezone="Australia/Lord_Howe")
    ),
    "time zone in where": case(
        *TIMES,
        set={"day": "'2000-01-01'"},
        where="day IS NULL AND extract(hour FROM created_at) < 12",
        settings=database(timezone="America/New_York"),
    ),
    "time zone in a trigger": case(
        *TEXTS,
        *WITNESS,
        set={"made": "'x'"},
        where="made IS NULL",
        settings=(*database(timezone="America/New_York", datestyle="SQL, DMY"), *role(extra_float_digits="-3")),
    ),
    "a zone that the job file's update sets in a function": case(
        *TIMES,
        "CREATE FUNCTION app.day(timestamptz) RETURNS date LANGUAGE sql STABLE SET timezone = 'Asia/Tokyo'"
        " AS 'SELECT $1::date'",
        set={"day": "app.day(created_at)"},
        where="day IS NULL",
        settings=database(timezone="America/New_York"),
    ),
    "DateStyle of a constant": case(
        *TIMES, set={"day": "'01/02/2024'"}, where="day IS NULL", settings=role(datestyle="SQL, DMY")
    ),
    "DateStyle of a text": case(
        *TIMES,
        "ALTER TABLE app.t ADD COLUMN made text",
        set={"made": "created_at::text"},
        where="made IS NULL",
        settings=role(datestyle="German"),
    ),
    "IntervalStyle of a text": case(
        *TIMES,
        "ALTER TABLE app.t ADD COLUMN made text",
        set={"made": "(legacy - '2023-01-01')::text"},
        where="made IS NULL",
        settings=database(intervalstyle="iso_8601"),
    ),
    "extra_float_digits of a text": case(
        *TEXTS, set={"made": "(id / 3.0::float8)::text"}, where="made IS NULL", settings=role(extra_float_digits="-5")
    ),
    "bytea_output of a text": case(
        *TEXTS,
        set={"made": "convert_to('a' || chr(233), 'UTF8')::text"},
        where="made IS NULL",
        settings=role(bytea_output="escape"),
    ),
    "strings that do not conform": case(
        *TEXTS,
        set={"made": r"'a\tb'"},
        where="made IS NULL",
        settings=role(standard_conforming_strings="off", escape_string_warning="off"),
    ),
    "a condition with strings that do not conform": case(
        *TEXTS,
        set={"made": "name"},
        where=r"made IS NULL AND name <> '\'' AND name IS NOT NULL",
        settings=database(standard_conforming_strings="off"),
    ),
    "array_nulls of a constant": case(
        *TEXTS,
        "ALTER TABLE app.t ADD COLUMN list text[]",
        set={"list": "'{a,NULL}'"},
        where="list IS NULL",
        settings=role(array_nulls="off"),
    ),
    "transform_null_equals": case(
        *TEXTS,
        set={"made": "'x'"},
        where="made = NULL AND name <> NULL IS NULL",
        settings=database(transform_null_equals="on"),
    ),
    "a search path for the job's names": case(
        *TEXTS,
        "CREATE TABLE app.labels (id int PRIMARY KEY, label text)",
        "INSERT INTO app.labels SELECT i, 'label' || i FROM generate_series(1, 20) i",
        "CREATE FUNCTION app.shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || ''!'''",
        set={"made": "shout((SELECT label FROM labels l WHERE l.id = t.id))"},
        where="made IS NULL",
        settings=role(search_path="app"),
    ),
    "a function of the path that hides a built-in": case(
        *TEXTS,
        "CREATE FUNCTION app.upper(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || '' in app'''",
        set={"made": "upper(coalesce(name, ''))"},
        where="made IS NULL",
        settings=database(search_path="app, pg_catalog"),
    ),
    "a search path in a trigger": case(
        *TEXTS,
        *WITNESS,
        set={"made": "'x'"},
        where="made IS NULL",
        settings=role(search_path="app, public"),
    ),
    "triggers off for the role": case(
        *TEXTS,
        *WITNESS,
        set={"made": "'x'"},
        where="made IS NULL",
        settings=role(session_replication_role="replica"),
    ),
    "a text search configuration": case(
        *TEXTS,
        "ALTER TABLE app.t ADD COLUMN words tsvector",
        set={"words": "to_tsvector(coalesce(name, '') || ' running dogs')"},
        where="words IS NULL",
        settings=database(default_text_search_config="pg_catalog.english"),
    ),
    "money": case(
        *TEXTS, set={"made": "(id * 1.5)::numeric::money::text"}, where="made IS NULL", settings=role(lc_monetary="C")
    ),
    "read only by default": case(
        *TEXTS, set={"made": "'x'"}, where="made IS NULL", settings=database(default_transaction_read_only="on")
    ),
    "repeatable read by default": case(
        *TEXTS,
        set={"made": "'x'"},
        where="made IS NULL",
        settings=database(default_transaction_isolation="serializable"),
    ),
    "planner switches": case(
        *TEXTS,
        set={"made": "'x'"},
        where="made IS NULL",
        settings=role(enable_tidscan="off", enable_seqscan="off", enable_hashagg="off", jit="on", jit_above_cost="0"),
    ),
    "sessions that may not be idle": case(
        *TEXTS, set={"made": "'x'"}, where="made IS NULL", settings=role(idle_session_timeout="2s")
    ),
    "a backslash that quotes": case(
        *TEXTS,
        set={"made": "quote_ident(name)"},
        where="made IS NULL AND name IS NOT NULL",
        settings=database(quote_all_identifiers="on", backslash_quote="on"),
    ),
    "time zone of the role in the database": case(
        *TIMES,
        set={"day": "created_at::date"},
        where="day IS NULL",
        settings=(*role(timezone="UTC"), Setting("role in database", "timezone", "Asia/Tokyo")),
    ),
    "time zone of the environment": case(
        *TIMES,
        set={"day": "created_at::date"},
        where="day IS NULL",
        settings=(Setting("environment", "PGTZ", "Asia/Tokyo"),),
    ),
    "DateStyle of the environment": case(
        *TIMES,
        set={"day": "'01/02/2024'"},
        where="day IS NULL",
        settings=(Setting("environment", "PGDATESTYLE", "SQL, DMY"),),
    ),
    "options of the environment": case(
        *TEXTS,
        *WITNESS,
        set={"made": "(id / 3.0::float8)::text"},
        where="made IS NULL",
        settings=(Setting("environment", "PGOPTIONS", "-c extra_float_digits=-5 -c timezone=Asia/Tokyo"),),
    ),
    "a setting of the application's own": case(
        *TEXTS,
        set={"made": "current_setting('app.tenant') || id"},
        where="made IS NULL AND name <> current_setting('app.tenant')",
        settings=role(**{"app.tenant": "name4"}),
    ),
    "a role that the role becomes": case(
        *TEXTS,
        "GRANT stranger TO worker",
        "GRANT USAGE ON SCHEMA app TO stranger",
        "ALTER TABLE app.t OWNER TO stranger",
        set={"made": "current_user || session_user"},
        where="made IS NULL",
        settings=role(role="stranger"),
    ),
    "an empty search path": case(
        *TEXTS,
        *WITNESS,
        set={"made": "name || 'x'"},
        where="made IS NULL AND name IS NOT NULL",
        settings=role(search_path="''"),
    ),
    "signs that a driver takes for its own": case(
        *TEXTS,
        set={"made": "'50%' || '%(x)s %s' || (id % 7) || $$ :a $1 $$ -- a comment"},
        where="made IS NULL AND (name LIKE '%1%' OR id % 2 = 0) /* 100% */",
    ),
    "names that our statements have, too": case(
        "CREATE TABLE app.filled (id int PRIMARY KEY, rows text, unconverged text, stripe int, slice int, tids int)",
        "INSERT INTO app.filled (id, unconverged) SELECT i, 'name' || i FROM generate_series(1, 20) i",
        "CREATE TABLE app.found (v int)",
        "INSERT INTO app.found VALUES (3)",
        set={"rows": "unconverged || (SELECT max(v) FROM app.found)", "stripe": "id", "slice": "(SELECT v FROM found)"},
        where="rows IS NULL AND (SELECT count(*) FROM found) > 0",
        table="app.filled",
        settings=role(search_path="app"),
    ),
}
