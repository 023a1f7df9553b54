"""What a case has more of. What makes a difference seldom meets by chance: a theme brings it together, and leaves out
what a job would be refused for before that shows.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tests.differential.generation.chance import chance
from tests.differential.generation.expressions import (
    CONDITIONS,
    EXPRESSIONS,
    OF_DEFAULTS,
    OF_OWN_ROWS,
    OF_PATH,
    OF_ROWS,
    OF_SETTINGS,
    REFUSED_FOR,
    Expression,
)
from tests.differential.generation.kinds import KINDS
from tests.differential.generation.tables import SHAPES
from tests.differential.generation.triggers import SELDOM, TRIGGERS, USUAL, Trigger

MAPPED = tuple(sorted(KINDS.keys() - {"json"}))
"""What passes through Python as itself: json does not, as `exemptions.ROW_FUNCTION_VALUES` says."""
SETTINGS_OF_VALUES = (
    *("timezone", "datestyle", "intervalstyle", "extra_float_digits", "array_nulls", "bytea_output"),
    "standard_conforming_strings",
)
WRITTEN_DIFFERENTLY = (
    *("float8", "float4", "float8[]", "text[]", "app.mood[]", "app.pair[]", "jsonb[]", "timestamptz", "timestamp"),
    *("date", "timetz", "tstzrange", "bytea", "money", "app.pair", "point"),
)
"""Types whose texts settings change; intervals aside, of which Python has no months."""


def _named(*names: str) -> tuple[Trigger, ...]:
    return tuple(one for one in TRIGGERS if one.name in names)


_MILD = tuple(one for one in EXPRESSIONS if not REFUSED_FOR.search(one.text))
_MILD_CONDITIONS = tuple(one for one in CONDITIONS if not REFUSED_FOR.search(one.text))


@dataclass(frozen=True, kw_only=True)
class Theme:
    """What a case is drawn from; numbers are of 100 cases.

    `first`, `trigger` and `setting` have what every case of the theme has one of. `other_defaults` is how many of the
    leaves that are made by themselves have defaults of their own. `shifted` takes each row's key from another row.
    """

    first: tuple[Expression, ...] = _MILD
    expressions: tuple[Expression, ...] = _MILD
    conditions: tuple[Expression, ...] = _MILD_CONDITIONS
    shapes: tuple[str, ...] = SHAPES
    triggers: tuple[Trigger, ...] = USUAL
    trigger: tuple[Trigger, ...] = ()
    setting: tuple[str, ...] = ()
    kinds: tuple[str, ...] = MAPPED
    function: int = 15
    other_defaults: int = 25
    shifted: bool = False


ANY = Theme()
DONE = (
    Theme(first=OF_SETTINGS, setting=SETTINGS_OF_VALUES),
    Theme(first=OF_PATH, setting=("search_path",)),
    Theme(trigger=_named("witness", "pathed"), setting=(*SETTINGS_OF_VALUES, "search_path", "row_security")),
    Theme(kinds=WRITTEN_DIFFERENTLY, function=100, setting=SETTINGS_OF_VALUES),
    Theme(kinds=("interval", "interval[]"), function=100),
)
"""What settings and row functions had wrong once, together with what shows it."""
REFUSED = (
    Theme(first=OF_DEFAULTS, shapes=SHAPES[1:], other_defaults=100),
    Theme(first=OF_ROWS, shapes=SHAPES[1:]),
    Theme(first=OF_OWN_ROWS, conditions=CONDITIONS),
    Theme(trigger=SELDOM, shapes=SHAPES[1:]),
    Theme(trigger=SELDOM),
    Theme(shifted=True),
)
"""The same of what most jobs are refused for by now."""


def themes(*, often: bool) -> st.SearchStrategy[Theme]:
    """Return a theme, or none of them; with `often` mostly one, of what is refused, too."""
    percent, among = (85, DONE + REFUSED) if often else (40, DONE)
    return chance(percent).flatmap(lambda themed: st.sampled_from(among) if themed else st.just(ANY))
