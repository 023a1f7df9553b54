"""One case for each thing that made cases are put together from, alone: so that no seed has to meet it first."""

from __future__ import annotations

from collections.abc import Iterator

from tests.differential.case import Case, Scope, Setting
from tests.differential.generation.cases import MODULE, default_of, text_of
from tests.differential.generation.environment import SUPERUSERS, VALUES
from tests.differential.generation.expressions import CONDITIONS, EXPRESSIONS, Expression
from tests.differential.generation.tables import FIXED, Column, Tree, create_table, insert_rows
from tests.differential.generation.themes import MAPPED
from tests.differential.generation.triggers import TRIGGERS

WITNESS = next(trigger for trigger in TRIGGERS if trigger.name == "witness")
SHOWING = next(expression for expression in EXPRESSIONS if expression.text == "{0}::date")
"""What a setting shows in."""


def swept() -> Iterator[tuple[str, Case]]:
    """Yield each case with its name."""
    for shape, tree_of in SHAPES.items():
        for made in EXPRESSIONS:
            yield f"{shape}: set {made.kind} = {made.text}", _case(shape, made=made)
        for condition in CONDITIONS:
            yield f"{shape}: where {condition.text}", _case(shape, condition=condition)
        for trigger in TRIGGERS:
            for table in tree_of(FIXED).names:
                yield f"{shape}: trigger {trigger.name} on {table}", _case(shape, around=trigger.sql(table, ""))
    for kind in MAPPED:
        yield f"function: {kind}", _case("alone", mapped=kind)
        without_nulls = _case("alone", mapped=kind, settings=(Setting("role", "array_nulls", "off"),))
        yield f"function of a role without array_nulls: {kind}", without_nulls
    for name, values in VALUES.items():
        scopes: tuple[Scope, ...] = ("database", "role") if name in SUPERUSERS else ("database", "role", "dsn")
        for setting in (Setting(scope, name, value) for value in values for scope in scopes):
            case = _case("alone", made=SHOWING, around=WITNESS.sql("t", ""), settings=(setting,))
            yield f"setting: {setting.scope} {name} = {setting.value}", case


def _case(
    shape: str,
    *,
    made: Expression | None = None,
    condition: Expression | None = None,
    mapped: str | None = None,
    around: tuple[str, ...] = (),
    settings: tuple[Setting, ...] = (),
) -> Case:
    expressions = [one for one in (made, condition) if one]
    kinds = dict.fromkeys(kind for one in expressions for kind in one.over)
    by_kind = {kind: f"s{number}" for number, kind in enumerate(kinds)}
    columns = [*FIXED, *(Column(name, kind, 1) for kind, name in by_kind.items())]
    columns += [Column("m0", made.kind, more=default_of(made))] if made else []
    columns += [Column("source", mapped, 1), Column("mapped", mapped)] if mapped else []
    set_ = {"m0": text_of(made, by_kind)} if made else {}
    set_ |= ({"mapped": "python"} if mapped else {}) | {"done": "true"}
    where = f"NOT t.done AND {text_of(condition, by_kind)}" if condition else "NOT t.done"
    return Case(
        setup=SHAPES[shape](tuple(columns)).setup((*(made.setup if made else ()), *around), (*set_.values(), where)),
        set_=tuple(set_.items()),
        where=where,
        settings=settings,
        module=MODULE if mapped else "",
        inputs=("source",) if mapped else (),
        meant=(("mapped", "source"),) if mapped else (),
    )


def _alone(columns: tuple[Column, ...]) -> Tree:
    return Tree((create_table("t", columns),), ("t",), (insert_rows("t", columns, range(1, 31)),))


def _partitioned(columns: tuple[Column, ...]) -> Tree:
    create = (
        create_table("t", columns) + " PARTITION BY LIST (region)",
        create_table("t_0", (Column("junk", "int"), *reversed(columns))),
        "ALTER TABLE app.t_0 DROP COLUMN junk",
        "ALTER TABLE app.t ATTACH PARTITION app.t_0 FOR VALUES IN (0)",
        "CREATE TABLE app.t_1 PARTITION OF app.t FOR VALUES IN (1)",
        "CREATE TABLE app.t_2 PARTITION OF app.t FOR VALUES IN (2)",
    )
    return Tree(create, ("t", "t_0", "t_1"), (insert_rows("t", columns, range(1, 31)),))


def _inherited(columns: tuple[Column, ...]) -> Tree:
    create = (
        create_table("t", columns),
        create_table("child_0", (Column("extra", "text", more=" DEFAULT 'extra'"), *reversed(columns))),
        "ALTER TABLE app.child_0 INHERIT app.t",
    )
    fill = (insert_rows("t", columns, range(1, 15)), insert_rows("child_0", columns, range(15, 31)))
    return Tree(create, ("t", "child_0"), fill)


SHAPES = {"alone": _alone, "partitioned": _partitioned, "inherited": _inherited}
