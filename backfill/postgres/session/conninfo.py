"""Connection strings: parsed before they are used, and never quoted but for host, port, database and user.

A password with a special character that is not encoded ends up in the host, the port, the database or an error of
libpq. So a string that does not parse is described in our own words, what parses is checked for remains of such a
password, and other values are masked in what libpq says about a connection.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from backfill.values.redact import MASK, redact

SHOWN = frozenset({"host", "hostaddr", "port", "dbname", "user", "service"})
"""What a message may quote; a service stands for a host."""

_URL = re.compile(r"postgres(?:ql)?://(?P<rest>.*)", re.DOTALL)
_HOST = re.compile(r"(?:[\w.:%\-]+|/[^@=;]*|@[\w.:%/\-]+)?")
_PORT = re.compile("[0-9]{0,5}")
_PAIR = re.compile(r"[;\s]\s*[\w ]+=|(?:password|passwd|pwd|host|port|dbname|user|sslmode)\s*=", re.IGNORECASE)
_TOKEN = re.compile(r"[^\s=,]{3,}")
_WORDS = frozenset(
    {
        *(
            "allow",
            "any",
            "disable",
            "gss",
            "prefer",
            "prefer-standby",
            "primary",
            "read-only",
            "read-write",
            "require",
        ),
        *("standby", "verify-ca", "verify-full"),
    }
)
"""libpq's own words: a message may have them from elsewhere."""

_ENCODE = "percent-encode special characters of the password: '@' is %40, '/' is %2F, '%' is %25"
_FORMS = "write postgresql://user@host:5432/database, or keyword=value pairs such as host=db.example dbname=shop"
_QUOTES = (
    "in keyword=value pairs, put a value with spaces, quotes or '=' in single quotes, and a backslash before a quote"
)


class InvalidConninfo(ValueError):
    """A connection string that cannot be used, and why; the message quotes nothing of it."""


def parse_conninfo(text: str) -> dict[str, str]:
    """Return what the connection string says; raise InvalidConninfo."""
    try:
        given = {key: str(value) for key, value in conninfo_to_dict(text).items() if value is not None}
    except UnicodeDecodeError:
        raise InvalidConninfo(f"a percent-encoded character is not UTF-8; {_ENCODE}") from None
    except psycopg.Error as error:
        raise InvalidConninfo(_reason(text, str(error))) from None
    if fault := _find_remains(text, given):
        raise InvalidConninfo(fault)
    return given


def mask_values(message: str, given: dict[str, str]) -> str:
    """Return what was said about a connection, without a value that may not be shown."""
    hidden = {key: value for key, value in given.items() if key not in SHOWN}
    tokens = {token for value in hidden.values() for token in (value, *_TOKEN.findall(value)) if len(token) > 2}
    tokens -= _WORDS | {value for key, value in given.items() if key in SHOWN}
    for token in sorted(tokens, key=len, reverse=True):
        if not token.isdigit():
            message = message.replace(token, MASK)
    return redact(message)


def _reason(text: str, said: str) -> str:
    """Return why libpq refuses a string, in words that quote nothing of it."""
    url = _URL.match(text)
    if "percent-encoded" in said:
        return f"a character is not allowed here; {_ENCODE}"
    if url:
        return f"it is not a valid URL; {_ENCODE}"
    if "://" in text or "=" not in text:
        return f"it does not begin with postgresql://; {_FORMS}"
    option = re.search('invalid connection option "(.*)"', said, re.DOTALL)
    near = get_close_matches(option[1], _keywords(), n=1, cutoff=0.75) if option else []
    if near:
        return f"unknown keyword; did you mean '{near[0]}'?"
    return f"a keyword or a value is not allowed here; {_QUOTES}"


def _keywords() -> list[str]:
    return [option.keyword.decode() for option in Conninfo.get_defaults()]


def _find_remains(text: str, given: dict[str, str]) -> str | None:
    """Return what is wrong with a string that parses, but not as it was meant."""
    url = _URL.match(text)
    found = (
        (url and _stray_at(url["rest"]), "an '@' after the host"),
        (url and re.match("[^/?@]*:/", url["rest"]), "a ':' without a port"),
        (not _each(_HOST, given, "host"), "the host has a character that no host has"),
        (not _each(_HOST, given, "hostaddr"), "the address has a character that no address has"),
        (not _each(_PORT, given, "port"), "the port is not a number"),
        (any(_holds_pair(key, given.get(key, ""), text) for key in ("dbname", "user")), "a value holds another pair"),
    )
    fault = next((words for wrong, words in found if wrong), None)
    return f"{fault}; {_ENCODE if url else _QUOTES}" if fault else None


def user_of(given: dict[str, str]) -> str | None:
    """Return who asks for a session: the conninfo's user, else libpq's own default."""
    defaults = {option.keyword: option.val for option in Conninfo.get_defaults()}
    default = defaults.get(b"user")
    return given.get("user") or (default.decode(errors="replace") if default else None)


def _each(pattern: re.Pattern[str], given: dict[str, str], key: str) -> bool:
    return all(pattern.fullmatch(value) for value in given.get(key, "").split(","))


def _holds_pair(key: str, value: str, text: str) -> bool:
    """Whether a value looks as if the pair after it had lost its separator. A URL writes '=' in a name as %3D."""
    if _PAIR.search(value):
        return True
    encoded = "%3d" in text.lower() if _URL.match(text) else re.search(rf"\b{key}\s*=\s*'", text)
    return "=" in value and not encoded


def _stray_at(rest: str) -> bool:
    """Whether a URL has an '@' in its host or path: libpq ends the password at the first one."""
    before_path = re.match("[^@/]*@", rest)
    return "@" in rest[before_path.end() if before_path else 0 :].partition("?")[0]
