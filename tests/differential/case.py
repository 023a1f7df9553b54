"""A case: a database as SQL, settings, a job and the UPDATE that it means. It prints as what a person can paste."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from tests.differential.exemptions import EXEMPTIONS, Exemption

Scope = Literal["database", "role", "role in database", "dsn", "environment"]
DATABASE, WORKER = "shop", "worker"
ROLES = (f"CREATE ROLE {WORKER} LOGIN IN ROLE pg_monitor", "CREATE ROLE stranger NOLOGIN")
DATABASE_SQL = (f"CREATE DATABASE {DATABASE}", f"GRANT CREATE ON DATABASE {DATABASE} TO {WORKER}")


@dataclass(frozen=True)
class Setting:
    """A setting that the worker's sessions begin with, and where it comes from."""

    scope: Scope
    name: str
    value: str

    @property
    def sql(self) -> str | None:
        """The statement that sets it; None where the DSN or the environment does."""
        if self.scope in ("dsn", "environment"):
            return None
        target = {
            "database": f"DATABASE {DATABASE}",
            "role": f"ROLE {WORKER}",
            "role in database": f"ROLE {WORKER} IN DATABASE {DATABASE}",
        }[self.scope]
        value = self.value if self.name == "search_path" else "'" + self.value.replace("'", "''") + "'"
        return f"ALTER {target} SET {self.name} = {value}"


@dataclass(frozen=True, kw_only=True, repr=False)
class Case:
    """Everything that two plays of the same start need.

    `set_` is what the job file has under `set`; `meant` the SQL of those columns that a row function gives there.
    """

    setup: tuple[str, ...]
    set_: tuple[tuple[str, str], ...]
    where: str
    table: str = "app.t"
    using: tuple[tuple[str, str], ...] = ()
    settings: tuple[Setting, ...] = ()
    module: str = ""
    inputs: tuple[str, ...] = ()
    meant: tuple[tuple[str, str], ...] = ()
    keys: tuple[tuple[str, Any], ...] = (("batch", {"max_rows": 7}),)
    exemptions: tuple[Exemption, ...] = EXEMPTIONS
    server_min: int = 140000
    may_be_refused: bool = True

    @property
    def options(self) -> str:
        """The startup options of the worker's DSN."""
        escaped = ((one.name, one.value.replace("\\", "\\\\").replace(" ", "\\ ")) for one in self.settings_of("dsn"))
        return " ".join(f"-c {name}={value}" for name, value in escaped)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that libpq reads, such as PGTZ."""
        return {one.name: one.value for one in self.settings_of("environment")}

    def settings_of(self, scope: str) -> tuple[Setting, ...]:
        """Return the settings that come from there."""
        return tuple(one for one in self.settings if one.scope == scope)

    @property
    def statements(self) -> tuple[str, ...]:
        """What makes the database, in an empty one, as superuser."""
        return (*self.setup, *(one.sql for one in self.settings if one.sql))

    @property
    def update(self) -> str:
        """The plain UPDATE."""
        return self.update_where("")

    def update_where(self, more: str) -> str:
        """Return the plain UPDATE of those rows that meet another condition, too."""
        meant = dict(self.set_) | dict(self.meant)
        assigned = ",\n    ".join(f"{column} = {_valued(text)}" for column, text in meant.items())
        using = dict(self.using)
        joined = f"\nFROM {using['table']} AS {using['as']}" if using else ""
        conditions = [using["on"]] if using else []
        conditions += [self.where, *([more] if more else [])]
        where = "\n  AND ".join(f"(\n{one}\n)" for one in conditions)
        return f"UPDATE {self.table} SET\n    {assigned}{joined}\nWHERE {where}"

    @property
    def job_text(self) -> str:
        """The job file."""
        python = {"function": "functions:f", "inputs": list(self.inputs)} if self.module else None
        content: dict[str, Any] = {"name": "job", "table": self.table, "set": dict(self.set_), "where": self.where}
        content |= ({"using": dict(self.using)} if self.using else {}) | ({"python": python} if python else {})
        content |= dict(self.keys)
        return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in content.items())

    def __repr__(self) -> str:
        """Not all of it: what hypothesis shows beside what `str` prints."""
        return f"<case of {dict(self.set_)} where {self.where}>"

    def _repr_pretty_(self, printer: Any, cycle: Any) -> None:
        """Keep hypothesis from printing the fields one by one."""
        printer.text(repr(self))

    def __str__(self) -> str:
        """Everything to paste: the database, the plain UPDATE, the job file and the commands."""
        options = f" options='{self.options}'" if self.options else ""
        dsn = f"dbname={DATABASE} user={WORKER}{options}"
        parts = [
            "-- as superuser",
            *(f"{one};" for one in (*ROLES, *DATABASE_SQL)),
            f"\\connect {DATABASE}",
            *(f"{one};" for one in self.statements),
            *(f"-- in both shells: export {name}='{value}'" for name, value in self.environment.items()),
            f'-- the plain UPDATE: psql "{dsn}"',
            f"{self.update};",
            f'-- the job, from the same start: backfill run job.yaml --dsn "{dsn}"',
            "-- job.yaml:",
            self.job_text,
            *(["-- functions.py:", self.module] if self.module else []),
        ]
        return "\n".join(parts)


def _valued(text: str) -> str:
    """Return an expression as the right side of an assignment; DEFAULT is none, and stands alone."""
    return text if text.strip().upper() == "DEFAULT" else f"(\n{text}\n)"
