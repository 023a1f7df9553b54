"""What a job's columns become when it is done: NOT NULL, and indexes. `backfill finish` reads it."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from backfill.jobfile import string_fields
from backfill.jobfile.field_types import Contradiction, ParsedType, StrictModel, contradictory
from backfill.jobfile.number_fields import truth
from backfill.values.identifier import quote

AS_QUOTED = PlainSerializer(quote, return_type=str)
ColumnName = Annotated[str, ParsedType(string_fields.parse_column_name, {"type": "string"}), AS_QUOTED]
_SQL = {"type": ["string", "number", "boolean", "null"]}


class FinishIndex(StrictModel):
    """One index, built concurrently."""

    columns: Annotated[
        tuple[ColumnName, ...],
        BeforeValidator(string_fields.list_like("[handle]", least=1)),
        WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1}),
    ] = Field(description="Its columns, in this order.", examples=[["handle"]])
    unique: Annotated[bool, truth()] = Field(default=False, description="Whether values may occur once only.")
    name: Annotated[
        str | None,
        ParsedType(string_fields.parse_index_name, {"type": "string"}),
        PlainSerializer(lambda name: name and quote(name), return_type=str | None),
    ] = Field(
        default=None,
        description="Its name; by default table, columns and idx, or key if it is unique, joined by '_'.",
        examples=["users_handle_key"],
    )
    constraint: Annotated[bool, truth()] = Field(
        default=False, description="Whether it becomes a unique constraint of the table, under the same name."
    )
    where: Annotated[str | None, ParsedType(string_fields.parse_sql, _SQL)] = Field(
        default=None, description="SQL condition of the rows that it holds.", examples=["deleted_at IS NULL"]
    )

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return what is written of it: nobody may write null for a key that is omitted."""
        return {key: value for key, value in write(self).items() if value is not None}

    @model_validator(mode="after")
    def _agree(self) -> Self:
        found = [
            Contradiction((("columns", index),), f"column '{column}' is named twice")
            for index, column in enumerate(self.columns)
            if column in self.columns[:index]
        ]
        if self.constraint and not self.unique:
            words = "'constraint' needs 'unique: true': an index that is not unique cannot be a constraint"
            found.append(Contradiction((("constraint",),), words))
        if self.constraint and self.where is not None:
            words = "'constraint' and 'where' cannot be combined: a partial index cannot be a constraint"
            found.append(Contradiction((("where",), ("constraint",)), words))
        if found:
            raise contradictory(found)
        return self


class Finish(StrictModel):
    """The end of a change, after its backfill is proven."""

    not_null: Annotated[
        tuple[ColumnName, ...],
        BeforeValidator(string_fields.list_like("[handle]")),
        WithJsonSchema({"type": "array", "items": {"type": "string"}}),
    ] = Field(default=(), description="Columns that become NOT NULL.", examples=[["handle"]])
    indexes: Annotated[
        tuple[FinishIndex, ...], BeforeValidator(string_fields.list_like("[{columns: [handle], unique: true}]"))
    ] = Field(default=(), description="Indexes, built concurrently, on each partition.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        found = [
            Contradiction((("not_null", index),), f"column '{column}' is named twice")
            for index, column in enumerate(self.not_null)
            if column in self.not_null[:index]
        ]
        names = [index.name for index in self.indexes]
        found += [
            Contradiction((("indexes", place, "name"),), f"index '{name}' is defined twice")
            for place, name in enumerate(names)
            if name is not None and name in names[:place]
        ]
        if found:
            raise contradictory(found)
        return self
