"""The trigger of `sync: trigger` and its function: what a batch does to a row, done to a row that is written.

They are sent without parameters, so that a `%` in them is one. The function sees the row as NEW under the name that the
job's expressions call it. It never fails: a row that cannot be filled is left to the job's batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from backfill.change.sync_trigger import SETTING
from backfill.jobfile.job import Job
from backfill.postgres.statements.fragments import NOTHING
from backfill.values.identifier import TableName

STRINGS = "standard_conforming_strings"
"""How the function's own text is read: it has to hold before its first statement."""
_FUNCTION = SQL(
    "CREATE OR REPLACE FUNCTION {function}() RETURNS pg_catalog.trigger LANGUAGE plpgsql\n"
    "SET search_path = {schemas} SET standard_conforming_strings = {strings}\nAS {body}"
)
_BODY = SQL(
    "#variable_conflict use_column\n"
    "DECLARE\n"
    "    given CONSTANT record := NEW;\n"
    "    filled record;\n"
    "    theirs pg_catalog.text[];\n"
    "    missed pg_catalog.bool := false;\n"
    "BEGIN\n"
    "    -- The job's own batches fill their rows themselves.\n"
    "    IF pg_catalog.current_setting({setting}, true) OPERATOR(pg_catalog.=) {own} THEN\n"
    "        RETURN NEW;\n"
    "    END IF;\n"
    "    BEGIN\n"
    "        -- Whoever writes the row may have other settings than the job, and has them back below.\n"
    "        theirs := ARRAY[\n            {present}\n        ];\n"
    "        IF theirs OPERATOR(pg_catalog.<>) ARRAY[{wanted}] THEN\n"
    "            PERFORM\n                {set};\n"
    "        ELSE\n"
    "            theirs := NULL;\n"
    "        END IF;\n"
    "        SELECT {values}\n"
    "        INTO filled\n"
    "        FROM (SELECT NEW.*) AS {row}{joined}\n"
    "        WHERE {matching};\n"
    "        IF FOUND THEN\n"
    "{assignments}{not_null}{left}"
    "        END IF;\n"
    "        IF theirs IS NOT NULL THEN\n"
    "            PERFORM\n                {reset};\n"
    "        END IF;\n"
    "    EXCEPTION WHEN OTHERS THEN\n"
    "        NEW := given;  -- whoever writes the row does not fail for our sake\n"
    "        missed := true;\n"
    "    END;\n"
    "{count}"
    "    RETURN NEW;\n"
    "END"
)
_LEFT = SQL("            PERFORM FROM (SELECT NEW.*) AS {row} WHERE {where};\n            missed := FOUND;\n")
_COUNT = SQL(
    "    IF missed THEN  -- the row still matches: the proof has to know that there was one\n"
    "        BEGIN\n"
    "            PERFORM pg_catalog.nextval({missed}::pg_catalog.regclass);\n"
    "        EXCEPTION WHEN OTHERS THEN\n"
    "            NULL;\n"
    "        END;\n"
    "    END IF;\n"
)
_DISARMED = SQL(
    "CREATE OR REPLACE FUNCTION {function}() RETURNS pg_catalog.trigger LANGUAGE plpgsql\n"
    "AS $backfill$\nBEGIN\n    RETURN NEW;\nEND\n$backfill$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncTrigger:
    """What a job's trigger is made of. `when` is `where` over NEW if it may stand in WHEN.

    `missed` is the identifier of the sequence that counts writes that were not filled; None without `when`. `not_null`
    are the columns set that must have a value. `schemas` are those of the role's search_path, `settings` its own
    values of settings that change what an expression means.
    """

    job: Job
    name: str
    function: str
    when: str | None
    missed: int | None
    not_null: tuple[str, ...]
    schemas: tuple[str, ...]
    settings: Mapping[str, str]

    @property
    def body(self) -> str:
        """The text of the function, as the catalog has it."""
        return f"\n{self._body().as_string()}\n"

    def create_function(self) -> Composed:
        """Return the statement that makes the function, or gives it this body."""
        quoting = "$backfill$"
        while quoting in self.body:
            quoting = f"{quoting[:-1]}_$"
        return _FUNCTION.format(
            function=function_of(self.function),
            schemas=SQL(", ").join([*map(Identifier, self.schemas), SQL("pg_temp")]),
            strings=Literal(self.settings[STRINGS]),
            body=SQL(f"{quoting}{self.body}{quoting}"),
        )

    def create_triggers(self, tables: Iterable[TableName]) -> list[Composed]:
        """Return the statements that make the trigger on tables; it fires for replication, too."""
        when = SQL(" WHEN ({})").format(SQL(self.when)) if self.when else NOTHING
        made: list[Composed] = []
        for table in tables:
            parts = {
                "name": Identifier(self.name),
                "table": Identifier(table.schema, table.name),
                "when": when,
                "function": function_of(self.function),
            }
            made += [
                SQL(
                    "CREATE OR REPLACE TRIGGER {name} BEFORE INSERT OR UPDATE ON {table}\n"
                    "FOR EACH ROW{when} EXECUTE FUNCTION {function}()"
                ).format(**parts),
                SQL("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}").format(**parts),
            ]
        return made

    @property
    def definition(self) -> str:
        """A hash of all that the function and the trigger are made from."""
        return sha256(f"{self.create_function().as_string()} {self.name} {self.when}".encode()).hexdigest()

    def _body(self) -> Composed:
        job, row = self.job, Identifier(self.job.table.name)
        using, where = job.using, _expression(job.where)
        settings = {name: value for name, value in self.settings.items() if name != STRINGS}
        joined: Composable = NOTHING
        if using is not None:
            alias = SQL(" AS {}").format(Identifier(using.alias)) if using.alias else NOTHING
            joined = SQL(", {}{}").format(Identifier(using.table.schema, using.table.name), alias)
        values = [f"value_{number}" for number, _ in enumerate(job.assignments)]
        targets = [SQL("NEW.{}").format(Identifier(assignment.column)) for assignment in job.assignments]
        unset = [SQL("NEW.{} IS NULL").format(Identifier(column)) for column in self.not_null]
        return _BODY.format(
            setting=Literal(SETTING),
            own=Literal(self.function),
            present=SQL(",\n            ").join(
                SQL("pg_catalog.current_setting({})").format(Literal(name)) for name in settings
            ),
            wanted=SQL(", ").join(map(Literal, settings.values())),
            set=_set({name: Literal(value) for name, value in settings.items()}),
            reset=_set({name: SQL("theirs[{}]").format(SQL(str(place))) for place, name in enumerate(settings, 1)}),
            values=SQL(", ").join(
                SQL("{} AS {}").format(_expression(assignment.expression), Identifier(value))
                for assignment, value in zip(job.assignments, values, strict=True)
            ),
            row=row,
            joined=joined,
            matching=SQL("{} AND {}").format(_expression(using.on), where) if using else where,
            assignments=SQL("").join(
                SQL("            {} := filled.{};\n").format(target, Identifier(value))
                for target, value in zip(targets, values, strict=True)
            ),
            not_null=SQL(
                "            IF {} THEN\n                RAISE EXCEPTION 'a column would be null that must not be';\n"
                "            END IF;\n"
            ).format(SQL(" OR ").join(unset))
            if unset
            else NOTHING,
            left=NOTHING if self.missed is None else _LEFT.format(row=row, where=where),
            count=NOTHING if self.missed is None else _COUNT.format(missed=Literal(str(self.missed))),
        )


def function_of(name: str) -> Identifier:
    """Return the function, and the sequence, of this name."""
    return Identifier("backfill", name)


def create_sequence(name: str) -> list[Composed]:
    """Return the statements that make the count of writes that were not filled; whoever writes a row may count it."""
    sequence = function_of(name)
    return [
        SQL("CREATE SEQUENCE IF NOT EXISTS {}").format(sequence),
        SQL("GRANT USAGE ON SEQUENCE {} TO PUBLIC").format(sequence),
    ]


def disarm(name: str) -> Composed:
    """Return the statement by which the trigger does nothing from now on; it takes no lock of a table."""
    return _DISARMED.format(function=function_of(name))


def drop_trigger(name: str, table: TableName) -> Composed:
    """Return the statement that drops the trigger from a table, and from its partitions."""
    return SQL("DROP TRIGGER IF EXISTS {} ON {}").format(Identifier(name), Identifier(table.schema, table.name))


def drop_function(name: str) -> list[Composed]:
    """Return the statements that drop the function and its count."""
    return [
        SQL("DROP FUNCTION IF EXISTS {}()").format(function_of(name)),
        SQL("DROP SEQUENCE IF EXISTS {}").format(function_of(name)),
    ]


def _set(settings: Mapping[str, Composable]) -> Composed:
    return SQL(",\n                ").join(
        SQL("pg_catalog.set_config({}, {}, true)").format(Literal(name), value) for name, value in settings.items()
    )


def _expression(text: str) -> Composed:
    return SQL("(\n{}\n)").format(SQL(text))
