"""A whole case: its table, what is around it, its settings and a job that has an end."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.differential.case import WORKER, Case
from tests.differential.generation.chance import chance, some
from tests.differential.generation.environment import settings
from tests.differential.generation.expressions import CONDITIONS, DEFAULT, EXPRESSIONS, Expression
from tests.differential.generation.tables import FIXED, GENERATED, Column, trees
from tests.differential.generation.themes import ANY, Theme, themes
from tests.differential.generation.triggers import triggers

MODULE = "def f(rows):\n    return [row['source'] for row in rows]\n"
DEFAULTS = {"int": " DEFAULT 7", "text": " DEFAULT 'main'"}
UNLOGGED = "ALTER TABLE app.t SET UNLOGGED"
"""No publication takes such a table."""
ONCE = "ALTER TABLE app.t ADD CONSTRAINT once UNIQUE (id, region) DEFERRABLE INITIALLY DEFERRED"

CONSTRAINTS = (
    "ALTER TABLE app.t ADD CONSTRAINT small CHECK (id < 1000)",
    "ALTER TABLE app.t ADD CONSTRAINT odd CHECK (NOT done OR id <> 13)",
    "ALTER TABLE app.t ALTER done SET NOT NULL",
    "ALTER TABLE app.t ADD PRIMARY KEY (id, region)",
    ONCE,
    "ALTER TABLE app.t ADD CONSTRAINT known FOREIGN KEY (region) REFERENCES app.regions DEFERRABLE INITIALLY DEFERRED",
    "CREATE INDEX ON app.t (done)",
    "ALTER TABLE app.t REPLICA IDENTITY FULL",
)
ALONE = (
    "ALTER TABLE app.t ADD COLUMN number int GENERATED ALWAYS AS IDENTITY",
    UNLOGGED,
    "ALTER TABLE app.t SET (fillfactor = 50)",
    "ALTER TABLE app.t ADD COLUMN later int DEFAULT 5",
)
"""For a table without others below it."""
RULES = (
    "CREATE RULE noted AS ON UPDATE TO app.{} DO ALSO INSERT INTO app.audit VALUES (old.id, 'rule')",
    "CREATE RULE nothing AS ON UPDATE TO app.{} DO INSTEAD NOTHING",
)
SECURITY = (
    ("ALTER TABLE app.t ENABLE ROW LEVEL SECURITY", "CREATE POLICY everything ON app.t USING (true)"),
    ("ALTER TABLE app.t ENABLE ROW LEVEL SECURITY", "CREATE POLICY half ON app.t USING (id % 2 = 0)"),
    ("ALTER TABLE app.secrets ENABLE ROW LEVEL SECURITY", "CREATE POLICY half ON app.secrets USING (id % 2 = 0)"),
    (
        "ALTER TABLE app.secrets ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE app.secrets FORCE ROW LEVEL SECURITY",
        "CREATE POLICY everything ON app.secrets USING (true)",
    ),
    (f"ALTER TABLE app.t OWNER TO {WORKER}",),
)
PUBLICATIONS = (
    "CREATE PUBLICATION everything FOR ALL TABLES",
    "CREATE PUBLICATION one FOR TABLE app.t",
    "CREATE PUBLICATION inserted FOR TABLE app.t WITH (publish = 'insert')",
)
MOVED = (("id", "t.id + 100"), ("region", "(t.region + 1) % 3"), ("note", "coalesce(t.note, '') || 'x'"))
"""Columns that say which row it is, or in which partition it lies."""
SHIFTED = ("id", "t.id + 3")
"""The key of another row of its partition, which that row has until it is updated, too."""
KEYS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("lanes", (2,)),
    ("on_row_error", ("skip",)),
    ("vacuum", ("off",)),
    ("synchronous_commit", ("on",)),
)


@st.composite
def cases(draw: st.DrawFn, *, often: bool = False) -> Case:
    """Draw a case; with `often`, more of what was ever a fault, which a job is mostly refused for."""
    theme = draw(themes(often=often))
    chosen = list(dict.fromkeys((draw(_expression(theme, theme.first)), *draw(_more(theme)))))
    condition = draw(_expression(theme, theme.conditions, CONDITIONS)) if draw(chance(40)) else None
    wanted = [kind for one in (*chosen, *([condition] if condition else [])) for kind in one.over]
    mapped = draw(st.sampled_from(theme.kinds)) if draw(chance(theme.function)) else None
    sources = [Column(f"s{n}", kind, draw(st.integers(0, 4))) for n, kind in enumerate(dict.fromkeys(wanted))]
    made = [Column(f"m{n}", one.kind, more=default_of(one)) for n, one in enumerate(chosen)]
    if mapped:
        sources.append(Column("source", mapped, draw(st.integers(0, 4))))
        made.append(Column("mapped", mapped))
    fixed = (*FIXED, GENERATED) if draw(chance(15)) else FIXED
    tree = draw(trees(tuple(draw(st.permutations((*fixed, *sources, *made)))), theme.shapes, theme.other_defaults))
    by_kind = {one.kind: one.name for one in sources}
    set_ = {column.name: text_of(one, by_kind) for column, one in zip(made, chosen, strict=False)}
    set_ |= {"mapped": "python"} if mapped else {}
    ending = "done" if theme.shifted or made[0].more else draw(st.sampled_from(("done", "made")))
    if ending == "done":
        set_["done"] = "true"
        if theme.shifted or draw(chance(8)):
            column, text = SHIFTED if theme.shifted else draw(st.sampled_from(MOVED))
            set_[column] = text
    where = "NOT t.done" if ending == "done" else f"t.{made[0].name} IS NULL"
    where += f" AND {text_of(condition, by_kind)}" if condition else ""
    joined = not mapped and draw(chance(10))
    constraints = [ONCE]
    if not theme.shifted:
        constraints = draw(some(CONSTRAINTS if len(tree.names) > 1 else CONSTRAINTS + ALONE, 2))
    around = (
        *dict.fromkeys(statement for one in chosen for statement in one.setup),
        *constraints,
        *draw(triggers(tree.names, theme.trigger, 20 if theme is ANY else 0)),
        *(draw(st.sampled_from(SECURITY)) if draw(chance(8)) else ()),
        *(_published(draw, tree.names) if draw(chance(10)) and UNLOGGED not in constraints else ()),
        *((draw(st.sampled_from(RULES)).format(draw(st.sampled_from(tree.names))),) if draw(chance(3)) else ()),
    )
    barred = (f"REVOKE ALL ON app.{draw(st.sampled_from(tree.names))} FROM {WORKER}",) if draw(chance(3)) else ()
    texts = (*set_.values(), where, "app.labels" if joined else "")
    return Case(
        setup=(*tree.setup(around, texts), *barred),
        set_=tuple((set_ | ({"note": "l.label"} if joined else {})).items()),
        where=where,
        using=(("table", "app.labels"), ("as", "l"), ("on", "l.id = t.id")) if joined else (),
        settings=draw(settings(theme.setting)),
        module=MODULE if mapped else "",
        inputs=("source",) if mapped else (),
        meant=(("mapped", "source"),) if mapped else (),
        keys=draw(_keys()),
    )


def _expression(
    theme: Theme, usual: tuple[Expression, ...], others: tuple[Expression, ...] = EXPRESSIONS
) -> st.SearchStrategy[Expression]:
    """Return one of the theme's, or without a theme now and then any: a job is refused for some, which hides the rest."""
    return chance(15 if theme is ANY else 0).flatmap(lambda odd: st.sampled_from(others if odd else usual))


def _more(theme: Theme) -> st.SearchStrategy[list[Expression]]:
    return st.lists(_expression(theme, theme.expressions), max_size=3, unique=True)


def _published(draw: st.DrawFn, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return a publication, mostly with what updates of published tables need."""
    identities = () if draw(chance(15)) else (f"ALTER TABLE app.{name} REPLICA IDENTITY FULL" for name in names)
    return (*identities, draw(st.sampled_from(PUBLICATIONS)))


def default_of(expression: Expression) -> str:
    """Return the default of the column that an expression is for: its rows have it from the start."""
    return DEFAULTS[expression.kind] if expression.text == DEFAULT else ""


def text_of(expression: Expression, by_kind: dict[str, str]) -> str:
    """Return an expression over the columns of the kinds that it takes."""
    return expression.text.format(*(f"t.{by_kind[kind]}" for kind in expression.over), row="t")


@st.composite
def _keys(draw: st.DrawFn) -> tuple[tuple[str, Any], ...]:
    batch: dict[str, Any] = {"max_rows": draw(st.sampled_from((7, 3, 20)))}
    if stripes := draw(st.sampled_from((None, 1, 3))):
        batch["stripes"] = stripes
    more = draw(some(KEYS, 1))
    return (("batch", batch), *((key, draw(st.sampled_from(values))) for key, values in more))
