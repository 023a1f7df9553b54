"""The UPDATE of no row names one table alone, and its columns quoted."""

from backfill.postgres.statements.publication_check import explain_no_update
from backfill.values.identifier import TableName


def test_the_statement_as_a_dba_reads_it():
    composed = explain_no_update(TableName("app", "Users"), ["handle", "e%mail"])
    assert composed.as_string() == (
        'EXPLAIN UPDATE ONLY "app"."Users" SET "handle" = DEFAULT, "e%mail" = DEFAULT WHERE false'
    )
