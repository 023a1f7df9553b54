"""Why there is no session: what libpq and the server say of it, and what to do about it, in one line.

Words that nobody here knows, such as those of a server that speaks another language, stay as they are.
"""

from __future__ import annotations

import re

from backfill.values.identifier import quote

_STANDBY = "session is read-only"
_SEVERAL = "Multiple connection attempts failed"
"""The driver's own words before it lists what each host said."""
_ADVICE = tuple(
    (re.compile(pattern), advice)
    for pattern, advice in (
        (
            rf"{_STANDBY}|server is in hot standby mode",
            "it is a standby, or read-only by a setting; give a DSN of the primary, or one that lists all hosts",
        ),
        (
            "password authentication failed|no password supplied",
            "give the role's present password, by DATABASE_URL or PGPASSFILE; a file is read again for each attempt",
        ),
        (r'database ".+" does not exist', "name an existing database, by --dsn, DATABASE_URL or PGDATABASE"),
        (r'role ".+" does not exist', "name an existing role, by --dsn, DATABASE_URL or PGUSER"),
        (
            "failed to resolve host|could not translate host name",
            "check the host in --dsn, DATABASE_URL or PGHOST, and the name server",
        ),
        (r'role "(?P<role>.+)" is not permitted to log in', "run: ALTER ROLE {role} LOGIN;"),
        (r'permission denied for database "(?P<database>.+)"', "run: GRANT CONNECT ON DATABASE {database} TO {user};"),
        (
            'too many connections for role "(?P<role>.+)"',
            "end sessions of that role, or raise its limit: ALTER ROLE {role} CONNECTION LIMIT …;",
        ),
        (
            'too many connections for database "(?P<database>.+)"',
            "end sessions of that database, or raise its limit: ALTER DATABASE {database} CONNECTION LIMIT …;",
        ),
        (
            "sorry, too many clients already|remaining connection slots are reserved",
            "the server has no room: end idle sessions, or raise max_connections",
        ),
        (
            "server does not support SSL",
            "switch TLS on there (ssl = on), or do not ask for it: sslmode=prefer",
        ),
        (
            "certificate verify failed|root certificate file .* does not exist",
            "give sslrootcert=FILE with the CA that signed the server's certificate",
        ),
        (
            "does not match host name",
            "give a host that the certificate names; hostaddr=ADDRESS says where it is",
        ),
    )
)


_LOGIN = re.compile(
    r"password authentication failed|no password supplied|no pg_hba\.conf entry|(?<!pre)authentication failed for user"
    r'|is not permitted to log in|role ".+" does not exist|database ".+" does not exist'
)


def is_login_refused(message: str) -> bool:
    """Whether the only server that was asked answered, and does not let the role in."""
    return _SEVERAL not in message and _LOGIN.search(message) is not None


def is_read_only(message: str) -> bool:
    """Whether the only server that was asked lets the role in, and not to write."""
    return _SEVERAL not in message and _STANDBY in message


def with_advice(message: str, user: str | None = None) -> str:
    """Return what was said, and what to do where that is known; `user` is who wanted a session."""
    for pattern, advice in _ADVICE:
        if found := pattern.search(message):
            names = {"user": quote(user) if user else "the role"}
            names |= {name: quote(value) for name, value in found.groupdict().items()}
            said = message if _SEVERAL in message else message.partition("\n")[0]
            return f"{' '.join(said.split())}; {advice.format_map(names)}"
    return message
