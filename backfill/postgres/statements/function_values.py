"""A row function's values as a statement's second table: each row by its address and version, its values as texts.

A row is updated only if the version that its inputs were read from still lies at its address. In one file an
address that is used again holds a row of another transaction, so ctid and xmin name a version; that it is still the
same file is what the checkpoint asks before the batch commits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg.sql import SQL, Composed, Identifier, Literal

from backfill.postgres.statements.fragments import cast_of, name_of, row_of, target_of, verbatim
from backfill.table.definition import Table

_JSON_ARRAYS = ("json[]", "jsonb[]")
ROW_BYTES = 200
"""What a row takes beside its long values."""
_STRING = re.compile(r"(text|character varying|character|bytea)(\(\d+\))?( COLLATE .*)?")
_SHORT = re.compile(
    r"(bigint|boolean|date|double precision|integer|interval|real|smallint|time|timestamp|uuid)[a-z0-9() ]*"
)


@dataclass(frozen=True, slots=True)
class Output:
    """A column that the function gives the values of, and the type that their texts are read as.

    It is the column's without a length or a domain: a value that does not fit is an error, not cut off by a cast.
    """

    column: str
    base: str


@dataclass(frozen=True, slots=True)
class FunctionValues:
    """What a job's function reads and gives on a table.

    `json_arrays` is whether arrays come as JSON, as `encode` writes them for a role with array_nulls off.
    """

    inputs: tuple[str, ...]
    outputs: tuple[Output, ...]
    prefix: str
    json_arrays: bool = False

    def name(self, part: str) -> Identifier:
        """Return a name of our own, which is none of the table's."""
        return Identifier(f"{self.prefix}_{part}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that hold the values, by output."""
        return tuple(f"out_{number}" for number in range(len(self.outputs)))

    def value(self, column: str) -> Composed | None:
        """Return what a column is set to; None if it is not set by the function."""
        for number, output in enumerate(self.outputs):
            if output.column == column:
                text, base = self.name(str(number)), verbatim(output.base)
                if self.json_arrays and output.base.endswith("[]"):
                    return self._array(text, base, in_texts=output.base.removeprefix("pg_catalog.") in _JSON_ARRAYS)
                return SQL("{}::{}").format(text, base)
        return None

    def _array(self, text: Identifier, base: SQL, *, in_texts: bool) -> Composed:
        """Return an array read from JSON; items that are JSON themselves are texts in it."""
        return SQL(
            "(SELECT {array}::{base} FROM pg_catalog.json_to_record("
            "pg_catalog.json_build_object({name}, {text}::pg_catalog.json)) AS {row}({array} {read_as}))"
        ).format(
            array=self.name("array"),
            base=base,
            name=Literal(f"{self.prefix}_array"),
            text=text,
            row=self.name("row"),
            read_as=SQL("pg_catalog.text[]") if in_texts else base,
        )

    def source(self) -> Composed:
        """Return the table of values."""
        columns = [
            cast_of("tids", "tid[]"),
            cast_of("xmins", "xid[]"),
            *(cast_of(parameter, "text[]") for parameter in self.parameters),
        ]
        names = [self.name("tid"), self.name("xmin"), *(self.name(str(place)) for place in range(len(self.outputs)))]
        return SQL("ROWS FROM ({}) AS {}({})").format(
            SQL(", ").join(SQL("pg_catalog.unnest({})").format(column) for column in columns),
            Identifier(self.prefix),
            SQL(", ").join(names),
        )

    def unchanged(self, table: Table) -> Composed:
        """Return the guard: the row is the version that the function was given."""
        return SQL("{row}.ctid OPERATOR(pg_catalog.=) {tid} AND {row}.xmin OPERATOR(pg_catalog.=) {xmin}").format(
            row=row_of(table), tid=self.name("tid"), xmin=self.name("xmin")
        )

    def versions(self, table: Table, condition: Composed) -> Composed:
        """Return the search for all rows of a condition: the address, the version and the bytes of inputs of each."""
        return SQL(
            "SELECT {row}.ctid::pg_catalog.text, {row}.xmin::pg_catalog.text, {bytes}\nFROM {target}\nWHERE {condition}"
        ).format(row=row_of(table), bytes=self._bytes(table), target=target_of(table), condition=condition)

    def _bytes(self, table: Table) -> Composed:
        """Return the length of a row's inputs; that of a text or bytea is known without reading all of it."""
        types = {column.name: column.type.removeprefix("pg_catalog.") for column in table.columns}
        lengths = [
            SQL("coalesce(pg_catalog.octet_length({}.{}{}), 0)::pg_catalog.int8").format(
                row_of(table), name_of(name), SQL("" if _STRING.fullmatch(types[name]) else "::pg_catalog.text")
            )
            for name in self.inputs
            if not _SHORT.fullmatch(types[name])
        ]
        return SQL(" OPERATOR(pg_catalog.+) ").join([SQL("{}").format(ROW_BYTES), *lengths])

    def rows(self, table: Table) -> Composed:
        """Return the read of the inputs of such versions.

        It has no expression of the job and is read under our settings: no DateStyle changes what the function is given.
        """
        inputs = SQL("").join(SQL(", {}.{}").format(row_of(table), name_of(column)) for column in self.inputs)
        return SQL(
            "SELECT {row}.ctid::pg_catalog.text, {row}.xmin::pg_catalog.text{inputs}\n"
            "FROM {target},\n"
            "ROWS FROM (pg_catalog.unnest({tids}), pg_catalog.unnest({xmins})) AS {prefix}({tid}, {xmin})\n"
            "WHERE {unchanged}"
        ).format(
            row=row_of(table),
            inputs=inputs,
            target=target_of(table),
            tids=cast_of("tids", "tid[]"),
            xmins=cast_of("xmins", "xid[]"),
            prefix=Identifier(self.prefix),
            tid=self.name("tid"),
            xmin=self.name("xmin"),
            unchanged=self.unchanged(table),
        )


def prefix_for(table: Table) -> str:
    """Return the beginning of names that none of the table's begins with: `where` must not mean ours."""
    prefix = "backfill"
    while any(name.startswith(prefix) for name in (table.name.name, *(column.name for column in table.columns))):
        prefix += "_"
    return prefix
