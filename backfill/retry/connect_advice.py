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
        (r'role "(?P<role>.+)" is not permitted to log in', "run: ALTER ROLE {role} LOGIN;"),
        (r'permission denied for database "(?P<database>.+)"', "run: GRANT CONNECT ON DATABASE {database} TO {user};"),
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


def with_advice(message: str, user: str | None = None) -> str:
    """Return what was said, and what to do where that is known; `user` is who wanted a session."""
    for pattern, advice in _ADVICE:
        if found := pattern.search(message):
            names = {"user": quote(user) if user else "the role"}
            names |= {name: quote(one) for name, one in found.groupdict().items()}
            said = message if _SEVERAL in message else message.partition("\n")[0]
            return f"{' '.join(said.split())}; {advice.format_map(names)}"
    return message
