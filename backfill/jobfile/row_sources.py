"""Where a row's new values come from: expressions, another table, a Python function."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from backfill.jobfile import string_fields
from backfill.jobfile.field_types import ParsedType, StrictModel
from backfill.values.identifier import TableName, quote

SQL = {"type": ["string", "number", "boolean", "null"]}
AS_WRITTEN = PlainSerializer(str, return_type=str)
AS_QUOTED = PlainSerializer(quote, return_type=str)


class Assignment(StrictModel):
    """One column and the expression that it is set to."""

    column: Annotated[str, ParsedType(string_fields.parse_key, {"type": "string"})]
    expression: Annotated[str, ParsedType(string_fields.parse_sql, SQL)]


class Using(StrictModel):
    """Another table whose columns `set` and `where` may use."""

    table: Annotated[TableName, ParsedType(string_fields.parse_table, {"type": "string"}), AS_WRITTEN] = Field(
        description="The table, view or materialized view, written as in SQL; without a schema it is in public.",
        examples=["public.accounts"],
    )
    alias: Annotated[
        str | None,
        ParsedType(string_fields.parse_alias, {"type": "string"}),
        PlainSerializer(lambda name: name and quote(name), return_type=str | None),
    ] = Field(default=None, alias="as", description="Alias of the table in the expressions.", examples=["a"])
    on: Annotated[str, ParsedType(string_fields.parse_sql, SQL)] = Field(
        description="SQL condition that joins it to a row; a row without a match is not updated.",
        examples=["accounts.id = users.account_id"],
    )

    @property
    def name(self) -> str:
        """Its name in the expressions."""
        return self.alias or self.table.name


class Python(StrictModel):
    """A Python function that maps rows to values, for what SQL cannot do; `set` takes its value by `python`."""

    function: Annotated[
        str, ParsedType(string_fields.parse_function, {"type": "string", "pattern": string_fields.FUNCTION_PATTERN})
    ] = Field(
        description="module:function; the job file's directory is searched first.",
        examples=["handles:make_handle"],
    )
    inputs: Annotated[
        tuple[Annotated[str, ParsedType(string_fields.parse_column_name, {"type": "string"}), AS_QUOTED], ...],
        BeforeValidator(string_fields.list_like("[username]", least=1)),
        WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1}),
    ] = Field(
        description="Columns of the table that the function receives for each row.", examples=[["username", "country"]]
    )
