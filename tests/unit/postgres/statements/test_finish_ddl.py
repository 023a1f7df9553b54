"""The DDL of finish as golden texts: each form once, with names that need their quotes."""

from __future__ import annotations

from psycopg.sql import Composed

from backfill.postgres.statements import finish_ddl
from backfill.postgres.statements.finish_reads import count_nulls, find_duplicates
from backfill.values.identifier import TableName

USERS = TableName("public", "users")
ODD = TableName("Odd 50%", 'a"b')


def text(composed: Composed) -> str:
    return composed.as_string()


def test_not_null_is_a_check_before_18_and_a_constraint_of_its_own_since():
    assert text(finish_ddl.add_check(USERS, "handle", "c")) == (
        'ALTER TABLE "public"."users" ADD CONSTRAINT "c" CHECK ("handle" IS NOT NULL) NOT VALID'
    )
    assert text(finish_ddl.add_not_null(ODD, "50%", "c")) == (
        'ALTER TABLE "Odd 50%"."a""b" ADD CONSTRAINT "c" NOT NULL "50%" NOT VALID'
    )
    assert text(finish_ddl.validate(USERS, "c")) == 'ALTER TABLE "public"."users" VALIDATE CONSTRAINT "c"'
    assert text(finish_ddl.set_not_null(USERS, "handle")) == (
        'ALTER TABLE "public"."users" ALTER COLUMN "handle" SET NOT NULL'
    )
    assert text(finish_ddl.drop_constraint(USERS, "c")) == 'ALTER TABLE "public"."users" DROP CONSTRAINT IF EXISTS "c"'


def test_an_index_is_built_concurrently_and_only_a_parents_is_not():
    assert text(finish_ddl.create_index(USERS, ("a", "b"), "i", unique=True, where="a > 0 -- all")) == (
        'CREATE UNIQUE INDEX CONCURRENTLY "i" ON "public"."users" ("a", "b") WHERE (\na > 0 -- all\n)'
    )
    assert text(finish_ddl.create_index(ODD, ("50%",), "i", unique=False, where=None)) == (
        'CREATE INDEX CONCURRENTLY "i" ON "Odd 50%"."a""b" ("50%")'
    )
    assert text(finish_ddl.create_parent_index(USERS, ("a",), "i", unique=True, where=None)) == (
        'CREATE UNIQUE INDEX "i" ON ONLY "public"."users" ("a")'
    )
    assert text(finish_ddl.drop_index(TableName("public", "i"))) == 'DROP INDEX CONCURRENTLY IF EXISTS "public"."i"'


def test_constraints_and_partitions_are_joined_to_what_was_built():
    assert text(finish_ddl.add_constraint(USERS, "i")) == (
        'ALTER TABLE "public"."users" ADD CONSTRAINT "i" UNIQUE USING INDEX "i"'
    )
    assert text(finish_ddl.add_parent_constraint(USERS, ("a", "b"), "i")) == (
        'ALTER TABLE ONLY "public"."users" ADD CONSTRAINT "i" UNIQUE ("a", "b")'
    )
    assert text(finish_ddl.attach(TableName("public", "i"), TableName("parts", "i_1"))) == (
        'ALTER INDEX "public"."i" ATTACH PARTITION "parts"."i_1"'
    )


def test_nulls_are_counted_by_ranges_of_pages_and_duplicates_are_bounded():
    counted = text(count_nulls(USERS, ("handle",), ("id",)))
    assert counted == (
        'SELECT pg_catalog.count(*) FILTER (WHERE "handle" IS NOT DISTINCT FROM NULL),\n'
        "pg_catalog.min((pg_catalog.jsonb_build_object('id', \"id\"))::pg_catalog.text)"
        ' FILTER (WHERE "handle" IS NOT DISTINCT FROM NULL)\n'
        'FROM ONLY "public"."users"\nWHERE ctid >= %(low)s::tid AND ctid < %(high)s::tid'
    )
    found = text(find_duplicates(USERS, ("handle",), "active"))
    assert found.endswith('GROUP BY "handle"\nHAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1\nLIMIT 6')
    assert 'WHERE "handle" IS NOT NULL AND (\nactive\n)' in found
