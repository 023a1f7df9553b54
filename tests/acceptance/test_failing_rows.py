"""A row that its table will not take ends the run with 1 and the server's words; what was done before it stands."""

from __future__ import annotations

import psycopg
import pytest

from tests.acceptance.command import backfill, job_text, serve_until, write

ROWS = 1000
FAILING = {
    "raised": (
        """
        create function raised_never() returns trigger language plpgsql as $$ begin
            if new.id = 700 then raise exception 'row %: [/red] 100%%', new.id using hint = 'leave it'; end if;
            return new;
        end $$;
        create trigger never before update on raised for each row execute function raised_never()
        """,
        "username",
        ["row 700: [/red] 100%", "HINT:  leave it", "CONTEXT:  PL/pgSQL function raised_never() line 2 at RAISE"],
    ),
    "checked": (
        "alter table checked add check (handle <> 'u700')",
        "username",
        [
            'new row for relation "checked" violates check constraint "checked_handle_check"',
            "DETAIL:  Failing row contains",
        ],
    ),
    "unique_twice": (
        "create unique index on unique_twice (handle); update unique_twice set username = 'u1' where id = 700",
        "username",
        [
            'duplicate key value violates unique constraint "unique_twice_handle_idx"',
            "DETAIL:  Key (handle)=(u1) already exists.",
        ],
    ),
    "too_long": (
        "alter table too_long alter handle type varchar(4); update too_long set username = 'u1000' where id = 700",
        "username",
        ["value too long for type character varying(4)"],
    ),
    "no_number": (
        "select 1",
        "CASE WHEN id = 700 THEN username::int::text ELSE username END",
        ['invalid input syntax for type integer: "u700"'],
    ),
    "no_reference": (
        """
        create table names (name text primary key); insert into names select username from no_reference where id <> 700;
        alter table no_reference add foreign key (handle) references names deferrable initially deferred
        """,
        "username",
        ['violates foreign key constraint "no_reference_handle_fkey"', "DETAIL:  Key (handle)=(u700) is not present"],
    ),
    "wrong_leaf": (
        """
        create table leaves (id int, username text, handle text) partition by list (handle);
        update wrong_leaf set handle = 'u700' where id = 700;
        delete from wrong_leaf where id <> 700;
        alter table leaves attach partition wrong_leaf for values in ('u700')
        """,
        "username || ' moved'",
        ['new row for relation "wrong_leaf" violates partition constraint'],
    ),
}
"""What is done to a table of that name, the expression that fails for row 700, and what is said."""


@pytest.mark.oldest
@pytest.mark.timeout(120)
def test_a_row_that_cannot_be_written_is_told_in_the_server_s_words_and_the_rest_stands(database, tmp_path):
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        for table, (prepare, expression, _) in FAILING.items():
            connection.execute(
                f"create table {table} as select i as id, 'u' || i as username, null::text as handle"
                f" from generate_series(1, {ROWS - 1}) i".encode()
            )
            connection.execute(prepare.encode())
            where = "handle NOT LIKE '%moved'" if table == "wrong_leaf" else "handle IS NULL"
            write(tmp_path / f"{table}.yaml", job_text(table.replace("_", "-"), table, {"handle": expression}, where))
    ended = [line for line in serve_until(tmp_path, database.dsn, len(FAILING)) if line["event"] == "job_ended"]
    assert [one["exit_code"] for one in ended] == [1] * len(FAILING)
    for (table, (_, _, words)), one in zip(sorted(FAILING.items()), ended, strict=True):
        assert one["why"].startswith(words[0]) or words[0].startswith("violates"), table
        for said in words:
            assert said in one["why"], table
        [(state, reason, rows_total)] = database.query(
            "select state, reason, rows_total from backfill.job join backfill.scan on job = name where name = %s",
            table.replace("_", "-"),
        )
        assert state == "failed"
        assert words[0] in reason
        if table != "wrong_leaf":
            assert database.query(f"select count(handle) from {table}") == [(rows_total,)]
    shown = backfill("status", dsn=database.dsn)
    assert (shown.code, shown.stdout.count("failed ")) == (0, len(FAILING))
    assert "row 700: [/red] 100%" in shown.stdout


def test_a_failed_job_goes_on_where_it_stood_once_its_row_is_mended(database, tmp_path):
    database.query(
        "create table users as select i as id, 'u' || i as handle, null::text as copy from generate_series(1, 2000) i"
    )
    database.query("alter table users add check (copy <> 'u1999')")
    path = write(tmp_path / "job.yaml", job_text("mended", "users", {"copy": "handle"}, "copy IS NULL"))
    command = ("run", path, "--json", "--http", "off")
    ended = backfill(*command, dsn=database.dsn)
    assert ended.code == 1
    assert ended.stderr.startswith(
        'backfill: new row for relation "users" violates check constraint "users_copy_check"\n'
    )
    assert all(line.startswith("backfill: ") for line in ended.stderr.splitlines())
    [(done,)] = database.query("select count(copy) from users")
    database.query("update users set handle = 'mended' where id = 1999")
    ended = backfill(*command, dsn=database.dsn)
    assert ended.code == 0, ended
    assert '"resumed": true' in ended.stdout
    assert database.query("select count(*) from users where copy is distinct from handle") == [(0,)]
    assert database.query("select rows_total from backfill.scan") == [(2000,)]
    assert done < 2000
