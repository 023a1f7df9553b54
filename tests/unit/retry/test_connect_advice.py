"""Words for a session that was not to be had."""

from __future__ import annotations

import pytest

from backfill.retry.connect_advice import is_login_refused, with_advice

HERE = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '
PRIMARY = "it is a standby, or read-only by a setting; give a DSN of the primary, or one that lists all hosts"


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("session is read-only", PRIMARY),
        ("server is in hot standby mode", PRIMARY),
        ('FATAL:  database "shop" does not exist', "name an existing database, by --dsn, DATABASE_URL or PGDATABASE"),
        ('FATAL:  role "app" does not exist', "name an existing role, by --dsn, DATABASE_URL or PGUSER"),
        (
            "failed to resolve host 'db.exmple': [Errno -2] Name or service not known",
            "check the host in --dsn, DATABASE_URL or PGHOST, and the name server",
        ),
        (
            'FATAL:  password authentication failed for user "app"',
            "give the role's present password, by DATABASE_URL or PGPASSFILE; a file is read again for each attempt",
        ),
        ('FATAL:  role "A b" is not permitted to log in', 'run: ALTER ROLE "A b" LOGIN;'),
        (
            'FATAL:  permission denied for database "Shop"\nDETAIL:  User does not have CONNECT privilege.',
            'run: GRANT CONNECT ON DATABASE "Shop" TO "o\'neil";',
        ),
        (
            'FATAL:  too many connections for role "A b"',
            'end sessions of that role, or raise its limit: ALTER ROLE "A b" CONNECTION LIMIT …;',
        ),
        (
            "FATAL:  sorry, too many clients already",
            "the server has no room: end idle sessions, or raise max_connections",
        ),
        (
            "server does not support SSL, but SSL was required",
            "switch TLS on there (ssl = on), or do not ask for it: sslmode=prefer",
        ),
        (
            "SSL error: certificate verify failed",
            "give sslrootcert=FILE with the CA that signed the server's certificate",
        ),
        (
            'server certificate for "a" does not match host name "b"',
            "give a host that the certificate names; hostaddr=ADDRESS says where it is",
        ),
    ],
)
def test_what_is_known_ends_with_what_to_do_in_one_line(said: str, advice: str):
    first = " ".join((HERE + said).partition("\n")[0].split())
    assert with_advice(HERE + said, "o'neil") == f"{first}; {advice}"


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ('FATAL:  password authentication failed for user "app"', True),
        ("fe_sendauth: no password supplied", True),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.7", user "app", database "shop", no encryption', True),
        ('FATAL:  Peer authentication failed for user "app"', True),
        ('FATAL:  role "app" does not exist', True),
        ("Connection refused", False),
        ("FATAL:  the database system is starting up", False),
        ('FATAL:  too many connections for role "app"', False),
        ("Multiple connection attempts failed. All failures were:\n- a: password authentication failed", False),
    ],
)
def test_whether_a_role_is_not_let_in(said: str, refused: bool):
    assert is_login_refused(HERE + said) == refused


def test_of_several_hosts_all_are_reported():
    said = "Multiple connection attempts failed. All failures were:\n- a: Connection refused\n- b: session is read-only"
    assert with_advice(HERE + "session is read-only\n" + said) == " ".join(
        f"{HERE} session is read-only {said}; {PRIMARY}".split()
    )


@pytest.mark.parametrize("said", ["Connection refused\n\tIs the server running?", "", "sitzung ist nur lesbar"])
def test_what_is_not_known_stays_as_it_is(said: str):
    assert with_advice(HERE + said, "u") == HERE + said


def test_who_asked_may_be_unknown():
    assert with_advice('permission denied for database "d"').endswith("; run: GRANT CONNECT ON DATABASE d TO the role;")
