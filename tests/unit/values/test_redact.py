"""No password passes, in any notation, and no text of others passes without end."""

from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backfill.values.redact import MASK, MESSAGE_BYTES_MAX, foreign, redact

URL_SHELL = f"postgresql://user:{MASK}@host:5432/app"
CONNINFO_SHELL = f"cannot connect: host=h dbname=app password={MASK} user=u"
PASSWORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=4, max_size=40)


def conninfo_value(password: str) -> str:
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://user:secret@h/db", "postgresql://user:***@h/db"),
        ("postgres://:secret@h/db", "postgres://:***@h/db"),
        ("postgresql://user:se%20cret%40@h1:1,h2:2/db", "postgresql://user:***@h1:1,h2:2/db"),
        ("postgresql://user:s@/cr:et@h/db", "postgresql://user:***@h/db"),
        ("postgresql://user:se cret@h/db", "postgresql://user:***@h/db"),
        ("postgresql://h/db?password=secret", "postgresql://h/db?password=***"),
        (
            "postgresql://h/db?sslmode=require&sslpassword=secret",
            "postgresql://h/db?sslmode=require&sslpassword=***",
        ),
        ("host=h password=secret user=u", "host=h password=*** user=u"),
        ("host=h password = 'se cret' user=u", "host=h password = *** user=u"),
        (r"host=h password='it\'s se\\cret' user=u", "host=h password=*** user=u"),
        (r"host=h password=se\ cret user=u", "host=h password=*** user=u"),
        (r"'host=h password=\'se cret\' user=u'", "'host=h password=*** user=u'"),
        ("password='never closed se cret", "password=***"),
        ("sslpassword=secret x", "sslpassword=*** x"),
        ("PGPASSWORD=secret psql", "PGPASSWORD=*** psql"),
        ('PGPASSWORD="se cret" psql', "PGPASSWORD=*** psql"),
        ("{'user': 'u', 'password': 'se cret'}", "{'user': 'u', 'password': ***}"),
        ('{"password": "se\\"cret", "user": "u"}', '{"password": ***, "user": "u"}'),
        ("CREATE ROLE b LOGIN PASSWORD 'se cret';", "CREATE ROLE b LOGIN PASSWORD ***;"),
    ],
)
def test_masks(text, clean):
    assert redact(text) == clean
    assert redact(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "",
        'FATAL: password authentication failed for user "app"',
        "cannot reach postgresql://h:5432/db; tell dba@corp.example",
        "SET password_encryption = 'scram-sha-256'",
        "http://127.0.0.1:9464/metrics",
    ],
)
def test_leaves_the_rest_alone(text):
    assert redact(text) == text


@given(PASSWORDS)
def test_no_password_survives_in_a_url(password):
    assume(password not in URL_SHELL)
    for written in (quote(password, safe=""), quote(password, safe="/:")):
        text = f"cannot connect to postgresql://user:{written}@host:5432/app"
        assume(written not in f"cannot connect to {URL_SHELL}")
        assert redact(text) == f"cannot connect to {URL_SHELL}"


@given(PASSWORDS)
def test_no_password_survives_in_conninfo(password):
    value = conninfo_value(password)
    assume(password not in CONNINFO_SHELL)
    text = f"cannot connect: host=h dbname=app password={value} user=u"
    assert redact(text) == CONNINFO_SHELL
    assert password not in redact(repr(text))


@given(PASSWORDS)
def test_no_password_survives_in_a_query(password):
    written = quote(password, safe="")
    clean = f"postgresql://host/app?connect_timeout=2&password={MASK}"
    assume(password not in clean)
    assert redact(f"postgresql://host/app?connect_timeout=2&password={written}") == clean


PIECES = [
    "postgresql://",
    "u:",
    "p@",
    "h",
    "password",
    "=",
    ":",
    "'",
    '"',
    "\\",
    " ",
    "se",
    "***",
    "E",
    "&",
    "\n",
    "5432/",
]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_is_idempotent(text):
    assert redact(redact(text)) == redact(text)


def test_the_words_of_others_are_cut_and_say_how_long_they_were():
    assert foreign("short ü") == "short ü"
    assert foreign("ü" * 3000) == "ü" * 2048 + "… (6,000 bytes)"
    long = foreign("x" * 10 * 1024**2)
    assert long == "x" * 4096 + "… (10,485,760 bytes)"
    assert foreign("\ud800" * 2) == "??"


def test_a_password_is_not_let_through_by_the_cut():
    for before in range(MESSAGE_BYTES_MAX - 60, MESSAGE_BYTES_MAX + 10):
        text = "x" * before + " postgresql://app:Tr0ub4dor@db.example/shop" + " y" * 50_000
        assert "Tr0" not in foreign(text)
