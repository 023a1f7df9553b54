"""Triggers of every kind, on the job's table and on what is below it. What each does shows in rows."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tests.differential.generation.chance import chance, some

_AUDIT = "INSERT INTO app.audit VALUES"


@dataclass(frozen=True)
class Trigger:
    """A trigger: when it fires, what it does; `at` is where it may be: `t`, or whatever the tree has."""

    name: str
    event: str
    body: str
    each: str = "ROW"
    tables: str = ""
    when: str = ""
    constraint: str = ""
    function: str = ""

    def sql(self, table: str, enabled: str) -> tuple[str, ...]:
        """Return the statements that make it on a table."""
        parts = [
            f"CREATE {'CONSTRAINT ' if self.constraint else ''}TRIGGER {self.name} {self.event} ON app.{table}",
            self.constraint,
            f"REFERENCING {self.tables}" if self.tables else "",
            f"FOR EACH {self.each}",
            f"WHEN ({self.when})" if self.when else "",
            f"EXECUTE FUNCTION app.{self.name}()",
        ]
        made: tuple[str, ...] = (
            (
                f"CREATE OR REPLACE FUNCTION app.{self.name}() RETURNS trigger LANGUAGE plpgsql {self.function}"
                f" AS $$BEGIN {self.body} END$$"
            ),
            " ".join(part for part in parts if part),
        )
        made += (f"ALTER TABLE app.{table} ENABLE {enabled} TRIGGER {self.name}",) if enabled else ()
        return (*made, f"ALTER FUNCTION app.{self.name}() OWNER TO stranger") if "DEFINER" in self.function else made


TRIGGERS = (
    Trigger("counted", "BEFORE UPDATE", "new.updates := old.updates + 1; RETURN new;"),
    Trigger("noted", "AFTER UPDATE", f"{_AUDIT} (new.id, tg_table_name || new::text); RETURN NULL;"),
    Trigger(
        "witness",
        "BEFORE UPDATE",
        "new.note := concat_ws(' ', current_setting('TimeZone'), current_setting('DateStyle'),"
        " current_setting('IntervalStyle'), current_setting('extra_float_digits'), current_setting('array_nulls'),"
        " current_setting('row_security'), current_setting('search_path'), '01/02/2024'::date,"
        " '2024-03-10 02:30Z'::timestamptz, 1/3::float8, current_user); RETURN new;",
    ),
    Trigger(
        "changed",
        "AFTER UPDATE",
        f"{_AUDIT} (new.id, 'changed'); RETURN NULL;",
        when="old.* IS DISTINCT FROM new.*",
    ),
    Trigger("finished", "BEFORE UPDATE OF done", "new.note := coalesce(new.note, '') || '+'; RETURN new;"),
    Trigger(
        "local", "BEFORE UPDATE", "new.note := now()::text IS NOT NULL; RETURN new;", function="SET timezone = 'UTC'"
    ),
    Trigger(
        "pathed",
        "BEFORE UPDATE",
        "new.note := concat(new.note, current_setting('search_path')); RETURN new;",
        function="SET search_path = app",
    ),
    Trigger(
        "labelled",
        "BEFORE UPDATE",
        "new.note := (SELECT label FROM app.secrets s WHERE s.id = new.id); RETURN new;",
        function="SECURITY DEFINER",
    ),
    Trigger("moved", "BEFORE UPDATE", "IF new.id % 5 = 0 THEN new.region := 2 - new.region; END IF; RETURN new;"),
    Trigger("kept", "BEFORE UPDATE", "IF new.id % 4 = 0 THEN RETURN NULL; END IF; RETURN new;"),
    Trigger("numbered", "BEFORE UPDATE", "new.note := (SELECT count(*) FROM app.t WHERE done); RETURN new;"),
    Trigger(
        "passed_on",
        "AFTER UPDATE",
        "UPDATE app.t SET note = coalesce(note, '') || new.id WHERE id = new.id - 1; RETURN NULL;",
        when="new.done AND NOT old.done",
    ),
    Trigger("fired", "AFTER UPDATE", "INSERT INTO app.firings VALUES ('after'); RETURN NULL;", each="STATEMENT"),
    Trigger("began", "BEFORE UPDATE", "INSERT INTO app.firings VALUES ('before'); RETURN NULL;", each="STATEMENT"),
    Trigger(
        "totalled",
        "AFTER UPDATE",
        "UPDATE app.totals SET rows = rows + (SELECT count(*) FROM new_rows),"
        " ids = ids + (SELECT coalesce(sum(id), 0) FROM new_rows); RETURN NULL;",
        each="STATEMENT",
        tables="NEW TABLE AS new_rows",
    ),
    Trigger(
        "copied",
        "AFTER UPDATE",
        "INSERT INTO app.audit SELECT n.id, n.note FROM new_rows n JOIN old_rows o USING (id); RETURN NULL;",
        each="STATEMENT",
        tables="OLD TABLE AS old_rows NEW TABLE AS new_rows",
    ),
    Trigger(
        "deferred",
        "AFTER UPDATE",
        f"{_AUDIT} (new.id, 'deferred ' || (SELECT t.done FROM app.t WHERE t.id = new.id LIMIT 1)); RETURN NULL;",
        constraint="DEFERRABLE INITIALLY DEFERRED",
    ),
    Trigger("postponable", "AFTER UPDATE", f"{_AUDIT} (new.id, 'deferrable'); RETURN NULL;", constraint="DEFERRABLE"),
    Trigger(
        "all_or_none",
        "AFTER UPDATE",
        "IF (SELECT count(DISTINCT done) FROM app.t WHERE region = new.region) > 1 THEN"
        " RAISE EXCEPTION 'some are done and some are not'; END IF; RETURN NULL;",
        constraint="DEFERRABLE INITIALLY DEFERRED",
    ),
)

USUAL = tuple(one for one in TRIGGERS if one.each == "ROW" and "app.t " not in one.body)
SELDOM = tuple(one for one in TRIGGERS if one not in USUAL)
"""What a job is mostly refused for."""


@st.composite
def triggers(draw: st.DrawFn, tables: tuple[str, ...], certain: tuple[Trigger, ...], seldom: int) -> tuple[str, ...]:
    """Draw a few triggers as statements: one of those that are certain to be there, if any; of `seldom` of 100 cases
    one that a job is refused for.
    """
    first = draw(st.sampled_from(certain)) if certain else None
    more = draw(some(SELDOM, 1)) if not certain and draw(chance(seldom)) else []
    found: list[str] = []
    for one in dict.fromkeys((*([first] if first else []), *draw(some(USUAL, 3)), *more)):
        table = draw(st.sampled_from(tables))
        enabled = draw(st.sampled_from(("", "", "", "ALWAYS", "REPLICA")))
        found += one.sql(table, enabled)
    return tuple(found)
