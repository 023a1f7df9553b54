"""Tables: the job's, alone, partitioned or with children, and those that its expressions read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.differential.case import WORKER
from tests.differential.generation.chance import chance
from tests.differential.generation.kinds import TYPES, value

REGIONS = 3
SHAPES = ("alone", "partitioned", "inherited")


@dataclass(frozen=True)
class Column:
    """A column; `salt` chooses its values, None leaves it to its default."""

    name: str
    kind: str
    salt: int | None = None
    more: str = ""

    @property
    def sql(self) -> str:
        """Its definition."""
        return f"{self.name} {self.kind}{self.more}"


FIXED = (
    Column("id", "int"),
    Column("region", "int"),
    Column("done", "bool", more=" DEFAULT false"),
    Column("note", "text"),
    Column("updates", "int", more=" DEFAULT 0"),
)
"""What every table has: its rows' names, where a row lies, what `where` may ask, and what triggers write."""
GENERATED = Column("signed", "int", more=" GENERATED ALWAYS AS (CASE WHEN done THEN id ELSE -id END) STORED")
OTHERS: dict[str, tuple[str, ...]] = {
    "app.labels": (
        "CREATE TABLE app.labels (id int PRIMARY KEY, label text)",
        "INSERT INTO app.labels SELECT i, 'label ' || i FROM generate_series(1, 60, 2) i",
    ),
    "app.secrets": (
        "CREATE TABLE app.secrets (id int PRIMARY KEY, label text)",
        "INSERT INTO app.secrets SELECT i, 'secret ' || i FROM generate_series(1, 60) i",
        "GRANT USAGE ON SCHEMA app TO stranger",
        "ALTER TABLE app.secrets OWNER TO stranger",
    ),
    "app.audit": ("CREATE TABLE app.audit (id int, what text)",),
    "app.firings": ("CREATE TABLE app.firings (what text)",),
    "app.regions": (
        "CREATE TABLE app.regions (region int PRIMARY KEY)",
        "INSERT INTO app.regions VALUES (0), (1), (2), (3)",
    ),
    "app.totals": ("CREATE TABLE app.totals (rows bigint, ids bigint)", "INSERT INTO app.totals VALUES (0, 0)"),
}
"""What expressions read and triggers write, by the name that they call it."""
VIEWS = {"app.progress": ("CREATE VIEW app.progress AS SELECT count(*)::int AS n FROM app.t WHERE done",)}
"""The same of what stands on the job's table."""


def named(made: Mapping[str, tuple[str, ...]], texts: Iterable[str]) -> tuple[str, ...]:
    """Return the statements that make what some texts name, and no others."""
    whole = "\n".join(texts)
    return tuple(statement for name, statements in made.items() if name in whole for statement in statements)


@dataclass(frozen=True)
class Tree:
    """The job's table and what is below it, as statements, and the names of what triggers may be on."""

    create: tuple[str, ...]
    names: tuple[str, ...]
    fill: tuple[str, ...]

    def setup(self, around: tuple[str, ...], texts: Iterable[str]) -> tuple[str, ...]:
        """Return all that makes a case's database: the tree, what is around it, and what these and the texts name."""
        named_in = (*around, *texts)
        return (
            *("CREATE SCHEMA app", *named(TYPES, self.create), *named(OTHERS, named_in), *self.create, *self.fill),
            *(*named(VIEWS, named_in), *around),
            *(f"GRANT USAGE ON SCHEMA app TO {WORKER}", f"GRANT ALL ON ALL TABLES IN SCHEMA app TO {WORKER}"),
        )


@st.composite
def trees(draw: st.DrawFn, columns: tuple[Column, ...], shapes: tuple[str, ...] = SHAPES, other: int = 25) -> Tree:
    """Draw a table of these columns and its rows; `other` of 100 tables made by themselves have other defaults."""
    rows = draw(st.integers(5, 60))
    shape = draw(st.sampled_from(shapes))
    if shape == "alone":
        return Tree((create_table("t", columns),), ("t",), (insert_rows("t", columns, range(1, rows + 1)),))
    if shape == "inherited":
        return _inherited(draw, columns, rows, other)
    return _partitioned(draw, columns, rows, other)


def _partitioned(draw: st.DrawFn, columns: tuple[Column, ...], rows: int, other: int) -> Tree:
    names = ["t"]
    create = [create_table("t", columns) + " PARTITION BY LIST (region)"]
    for region in range(REGIONS):
        name, values = f"t_{region}", f"FOR VALUES IN ({region})"
        names.append(name)
        below = draw(st.sampled_from(("plain", "attached", "split")))
        if below == "attached":
            create += _standing(draw, name, columns, other)
            create.append(f"ALTER TABLE app.t ATTACH PARTITION app.{name} {values}")
            continue
        create.append(f"CREATE TABLE app.{name} PARTITION OF app.t {values}")
        if below == "split":
            create[-1] += " PARTITION BY HASH (id)"
            for part in range(2):
                names.append(f"{name}_{part}")
                bounds = f"FOR VALUES WITH (MODULUS 2, REMAINDER {part})"
                create.append(f"CREATE TABLE app.{name}_{part} PARTITION OF app.{name} {bounds}")
    return Tree(tuple(create), tuple(names), (insert_rows("t", columns, range(1, rows + 1)),))


def _inherited(draw: st.DrawFn, columns: tuple[Column, ...], rows: int, other: int) -> Tree:
    create, fill, names = [create_table("t", columns)], [insert_rows("t", columns, range(1, rows // 2))], ["t"]
    for number in range(draw(st.integers(1, 2))):
        name = f"child_{number}"
        names.append(name)
        if draw(st.booleans()):
            create += _standing(draw, name, (*columns, Column("extra", "text", more=" DEFAULT 'extra'")), other)
            create.append(f"ALTER TABLE app.{name} INHERIT app.t")
        else:
            create.append(f"CREATE TABLE app.{name} (extra text DEFAULT 'extra') INHERITS (app.t)")
        fill.append(insert_rows(name, columns, range(rows // 2 + number, rows + 1, 2)))
    return Tree(tuple(create), tuple(names), tuple(fill))


def _standing(draw: st.DrawFn, name: str, columns: tuple[Column, ...], other: int) -> list[str]:
    """Return a table made by itself: other order, a dropped column, perhaps other defaults."""
    order = draw(st.permutations(columns))
    if draw(chance(other)):
        order = [Column(one.name, one.kind, more=_OTHER_DEFAULTS.get(one.more, one.more)) for one in order]
    place = draw(st.integers(0, len(order)))
    junk = Column("junk", "int", more=" DEFAULT 1")
    return [create_table(name, (*order[:place], junk, *order[place:])), f"ALTER TABLE app.{name} DROP COLUMN junk"]


_OTHER_DEFAULTS = {" DEFAULT 0": " DEFAULT 5", " DEFAULT 'main'": " DEFAULT 'leaf'", " DEFAULT 7": " DEFAULT 8"}


def create_table(name: str, columns: tuple[Column, ...]) -> str:
    """Return the statement that makes a table of these columns."""
    return f"CREATE TABLE app.{name} ({', '.join(one.sql for one in columns)})"


def insert_rows(name: str, columns: tuple[Column, ...], rows: range) -> str:
    """Return the statement that fills a table with rows of these numbers."""
    filled = [one for one in columns if one.salt is not None]
    names = ", ".join(("id", "region", *(one.name for one in filled)))
    lines = (
        ", ".join((str(row), str(row % REGIONS), *(value(one.kind, row, one.salt or 0) for one in filled)))
        for row in rows
    )
    return f"INSERT INTO app.{name} ({names}) VALUES\n  " + ",\n  ".join(f"({line})" for line in lines)
