"""The GRANT that a role needs is found in the catalog, in whatever language the server names the object."""

from __future__ import annotations

import pytest

from backfill.postgres.session.missing_rights import with_grant
from backfill.values.errors import StatementRefused
from tests.fixtures_postgres import Database
from tests.integration.jobs import connected, job_file, run_sql

pytestmark = pytest.mark.anyio

CONTEXT = '\nZUSAMMENHANG:  SQL-Anweisung »insert into "Audit log" values (1)«\nPL/pgSQL-Funktion log()'
MESSAGES = {
    "keine Berechtigung für Tabelle accounts": "GRANT SELECT ON shop.accounts TO {};",
    "テーブルaccountsへのアクセスが拒否されました": "GRANT SELECT ON shop.accounts TO {};",
    "droit refusé pour la table users": "GRANT UPDATE ON public.users TO {};",
    f"keine Berechtigung für Tabelle Audit log{CONTEXT}": 'GRANT INSERT ON shop."Audit log" TO {};',
    f"keine Berechtigung für Tabelle users{CONTEXT}": "GRANT INSERT ON public.users TO {};",
    "permiso denegado a la secuencia numbers": "GRANT USAGE ON SEQUENCE shop.numbers TO {};",
    "нет доступа к функции made": "GRANT EXECUTE ON ROUTINE shop.made(a integer) TO {};",
    "permission denied for schema closed": "GRANT USAGE ON SCHEMA closed TO {};",
    "keine Berechtigung für Schema closed": "GRANT USAGE ON SCHEMA closed TO {};",
    "keine Berechtigung für Tabelle account": None,
    "keine Berechtigung für Funktion pg_read_file": None,
}


@pytest.fixture(scope="module")
def shop(shared: Database) -> Database:
    run_sql(
        shared,
        "alter default privileges revoke all on tables from " + shared.worker,
        "alter default privileges revoke all on schemas from " + shared.worker,
        "create schema shop",
        "create schema closed",
        f"grant usage on schema shop to {shared.worker}",
        "create table shop.accounts (id int)",
        "create table closed.accounts (id int)",
        'create table shop."Audit log" (id int)',
        "create table public.users (id int)",
        f"grant select on public.users to {shared.worker}",
        "create sequence shop.numbers",
        "create function shop.made(a int) returns int language sql as 'select 1'",
        "revoke execute on function shop.made from public",
    )
    return shared


@pytest.mark.parametrize("said", MESSAGES)
async def test_the_grant_of_a_message_in_any_language(shop: Database, said: str):
    async with connected(shop.worker_dsn, job_file()) as connection:
        error = await with_grant(connection, StatementRefused(said, "42501", 0.0), "users")
    expected = MESSAGES[said]
    first, line_break, rest = said.partition("\n")
    remedy = f"; run: {expected.format(shop.worker)}" if expected else ""
    assert str(error) == f"{first}{remedy}{line_break}{rest}"
