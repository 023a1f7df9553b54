"""What a role was denied, whatever language the server says it in, and the GRANT that helps."""

from __future__ import annotations

import pytest

from backfill.retry.missing_grant import MissingRight, has_context, rights_wanted, with_remedy

INSERTING = (
    'permission denied for table log\nCONTEXT:  SQL statement "insert into log values (1)"\nPL/pgSQL function f()'
)
GERMAN = INSERTING.replace('CONTEXT:  SQL statement "', "ZUSAMMENHANG:  SQL-Anweisung »").replace('(1)"', "(1)«")
JAPANESE = INSERTING.replace('CONTEXT:  SQL statement "', "CONTEXT:  SQL文 「").replace('(1)"', "(1)」")


@pytest.mark.parametrize("said", [INSERTING, GERMAN, JAPANESE])
@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("insert into", ("INSERT",)),
        ("  Delete from", ("SELECT", "DELETE")),
        ("update", ("SELECT", "UPDATE")),
        ("select", ("SELECT",)),
    ],
)
def test_the_command_of_the_context_says_what_was_wanted_of_a_table(said: str, command: str, wanted: tuple[str, ...]):
    said = said.replace("insert into", command)
    assert (rights_wanted(said), has_context(said)) == (wanted, True)


@pytest.mark.parametrize("said", ["permission denied for table names", "Keine Berechtigung für »update«", ""])
def test_without_a_context_a_table_was_to_be_read(said: str):
    assert (rights_wanted(said), has_context(said)) == (("SELECT",), False)


def test_a_grant_quotes_the_role_and_not_what_is_quoted_already():
    sequence = MissingRight(kind="sequence", target='public."S"', lacks=("USAGE",), role="A b")
    assert sequence.grant == 'GRANT USAGE ON SEQUENCE public."S" TO "A b";'
    table = MissingRight(kind="relation", target="public.t", lacks=("SELECT", "UPDATE"), role="w")
    assert table.grant == "GRANT SELECT, UPDATE ON public.t TO w;"


def test_the_remedy_stands_behind_what_happened_and_before_where():
    assert with_remedy(INSERTING, "GRANT x;").splitlines() == [
        "permission denied for table log; run: GRANT x;",
        'CONTEXT:  SQL statement "insert into log values (1)"',
        "PL/pgSQL function f()",
    ]
    assert with_remedy("permission denied for schema s", "GRANT x;") == "permission denied for schema s; run: GRANT x;"
