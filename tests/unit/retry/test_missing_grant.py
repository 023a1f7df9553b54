"""What a role was denied, by the server's words."""

from __future__ import annotations

import pytest

from backfill.retry.missing_grant import Denied, grant_statement, parse_denied, with_remedy

INSERTING = (
    'permission denied for table log\nCONTEXT:  SQL statement "insert into log values (1)"\nPL/pgSQL function f()'
)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("permission denied for table names", Denied("relation", "names", ("SELECT",))),
        ("permission denied for view two words", Denied("relation", "two words", ("SELECT",))),
        ("permission denied for materialized view m", Denied("relation", "m", ("SELECT",))),
        ("permission denied for foreign table f", Denied("relation", "f", ("SELECT",))),
        ("permission denied for table users", Denied("relation", "users", ("SELECT", "UPDATE"))),
        (INSERTING, Denied("relation", "log", ("INSERT",))),
        (INSERTING.replace("insert into", "  Delete from"), Denied("relation", "log", ("SELECT", "DELETE"))),
        (INSERTING.replace("insert into", "update"), Denied("relation", "log", ("SELECT", "UPDATE"))),
        (INSERTING.replace("insert into", "with x as"), Denied("relation", "log", ("SELECT",))),
        ("permission denied for sequence s", Denied("sequence", "s", ("USAGE",))),
        ("permission denied for function f", Denied("routine", "f", ("EXECUTE",))),
        ("permission denied for schema s", Denied("schema", "s", ("USAGE",))),
    ],
)
def test_an_object_and_what_was_wanted_of_it(said: str, wanted: Denied):
    assert parse_denied(said, "users") == wanted


@pytest.mark.parametrize(
    "said",
    [
        "permission denied for language c",
        "permission denied",
        "must be owner of table users",
        "keine Berechtigung für Tabelle users",
        "it says: permission denied for table users",
        "",
    ],
)
def test_nothing_is_made_up(said: str):
    assert parse_denied(said) is None


def test_a_grant_quotes_the_role_and_not_what_is_quoted_already():
    assert grant_statement(Denied("sequence", "S", ("USAGE",)), ("USAGE",), 'public."S"', "A b") == (
        'GRANT USAGE ON SEQUENCE public."S" TO "A b";'
    )
    assert grant_statement(Denied("relation", "t", ("SELECT", "UPDATE")), ("UPDATE",), "public.t", "w") == (
        "GRANT UPDATE ON public.t TO w;"
    )


def test_the_remedy_stands_behind_what_happened_and_before_where():
    assert with_remedy(INSERTING, "GRANT x;").splitlines() == [
        "permission denied for table log; run: GRANT x;",
        'CONTEXT:  SQL statement "insert into log values (1)"',
        "PL/pgSQL function f()",
    ]
    assert with_remedy("permission denied for schema s", "GRANT x;") == "permission denied for schema s; run: GRANT x;"
