"""How many connections a job needs, and which limit of the server is in the way of another one.

The catalog knows the limits in every language; the words of a server that refuses a session do not.
"""

from __future__ import annotations

from dataclasses import dataclass

from backfill.jobfile.job import Job
from backfill.values.identifier import quote

TOO_MANY_CONNECTIONS = "53300"
SPARE = 2
"""A vacuum and who watches it, or a final read's watcher and its snapshot: the job works without, for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Limits on sessions of a role, of a database and of the server, None for none, and how many there are of each."""

    role: str
    database: str
    superuser: bool
    role_limit: int | None
    role_used: int
    database_limit: int | None
    database_used: int
    server_limit: int
    server_used: int


def needed(job: Job) -> int:
    """Return the connections without which a job does nothing: its lanes', and one for SQL probes."""
    return job.lanes + any(probe.sql is not None for probe in job.throttle.probes)


def find_too_few(limits: ConnectionLimits, job: Job) -> str | None:
    """Return why a job can never have the connections that it needs, and what to change; None if it may."""
    wanted = needed(job)
    if limits.superuser:
        return None
    for whose, limit, statement in (
        (f"role {limits.role!r}", limits.role_limit, f"ALTER ROLE {quote(limits.role)}"),
        (f"database {limits.database!r}", limits.database_limit, f"ALTER DATABASE {quote(limits.database)}"),
    ):
        if limit is None or limit >= wanted:
            continue
        fewer = limit - (wanted - job.lanes)
        instead = f" or set lanes: {fewer}" if fewer > 0 else ""
        probes = "" if wanted == job.lanes else ", one of them for SQL probes"
        return (
            f"{whose} may have {_connections(limit)} (CONNECTION LIMIT), and this job needs {wanted}{probes};"
            f" run: {statement} CONNECTION LIMIT {wanted + SPARE};{instead}"
        )
    return None


def find_tight(limits: ConnectionLimits, job: Job) -> str | None:
    """Return what a job has to do without under a limit that lets it run; None if nothing."""
    allowed = [limit for limit in (limits.role_limit, limits.database_limit) if limit is not None]
    if limits.superuser or not allowed or min(allowed) >= needed(job) + SPARE:
        return None
    return (
        f"role {limits.role!r} may have {_connections(min(allowed))} (CONNECTION LIMIT), and {needed(job) + SPARE} are"
        " best: without them the table is not vacuumed meanwhile, and a long final read waits for one that watches it"
    )


def find_reached(limits: ConnectionLimits) -> str | None:
    """Return which limit leaves no room for another connection, and how to make room; None if there is some."""
    role, database = limits.role_limit, limits.database_limit
    if not limits.superuser and role is not None and limits.role_used >= role:
        remedy = f"ALTER ROLE {quote(limits.role)} CONNECTION LIMIT {role + SPARE};"
        return f"role {limits.role!r} has {limits.role_used} of {role} connections (CONNECTION LIMIT); run: {remedy}"
    if not limits.superuser and database is not None and limits.database_used >= database:
        remedy = f"ALTER DATABASE {quote(limits.database)} CONNECTION LIMIT {database + SPARE};"
        used = f"{limits.database_used} of {database} connections"
        return f"database {limits.database!r} has {used} (CONNECTION LIMIT); end sessions of it, or run: {remedy}"
    if limits.server_used >= limits.server_limit:
        used = f"{limits.server_used} of {limits.server_limit} connections"
        return f"the server has {used} (max_connections); end idle sessions, or raise it"
    return None


def _connections(number: int) -> str:
    return f"{number} connection" + ("" if number == 1 else "s")
