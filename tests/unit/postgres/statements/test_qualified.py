"""No name of ours in a composed statement depends on a search_path: functions, operators and types have their schema.

These statements run under the role's own path, where anybody may have put a look-alike.
"""

from __future__ import annotations

import re

import pytest

from tests.unit.postgres.statements.test_compose import composed

SYNTAX = {
    "and", "any", "array", "as", "by", "coalesce", "exists", "filter", "from", "in", "least", "left", "not", "on", "only", "operator",
    "row", "returning", "select", "then", "to", "varying", "when", "where", "case", "else", "end",
}  # fmt: skip
"""Words before a parenthesis that the grammar knows and that no object can stand in for."""
KEYWORD_TYPES = {"bigint", "numeric", "character"}
"""Types that are words of the grammar: `pg_catalog` is meant, whatever the path."""
OPERATOR = re.compile(r"[-+*/<>=~!@#%^&|`?]+")
ASSIGNMENT = re.compile(r'(SET|,) "[^"]+" = ')


def stripped(text: str) -> str:
    """Return a statement without the job's expressions, quoted names, literals, parameters and assignments."""
    text = text.replace("handle IS NULL", "true").replace("\nusername\n", "\ntrue\n")
    text = ASSIGNMENT.sub(r"\1 column TO ", text)
    text = re.sub(r"\[:5\]|%\(\w+\)s|'[^']*'", " value ", text)
    return re.sub(r'"[^"]*"', "name", text)


STATEMENTS = {
    f"{case}: {name}": text.as_string()
    for case in ("plain", "not_foreseen", "no_key", "leaf", "python")
    for name, text in composed(case).named()
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_functions_have_their_schema(name: str):
    text = stripped(STATEMENTS[name])
    called = re.findall(r"(pg_catalog\.)?\b(\w+) ?\(", text)
    assert {
        function for schema, function in called if not schema and function.lower() not in SYNTAX | {"name"}
    } == set()
