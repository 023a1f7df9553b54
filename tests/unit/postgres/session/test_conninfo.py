"""No message quotes any part of a connection string but host, port, database and user, however it is malformed."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from backfill.jobfile.load import load
from backfill.postgres.monitor.side_connection import replica_name
from backfill.postgres.session.connection import connect, resolve_dsn
from backfill.postgres.session.conninfo import SHOWN, InvalidConninfo, mask_values, parse_conninfo
from backfill.values.errors import BackfillError, JobError
from tests.acceptance.worker import JOB

CANARY = "Kanari"
"""Every piece of a password begins with it, and nothing else has it."""
COUNT = int(os.environ.get("CANARIES", "400"))
SPECIAL = "@/?#%:;,&= '\"\\[]+$\t\n|<>()ü%be%zz"


def passwords(chance: random.Random) -> str:
    """Return a password of one to four pieces with special characters between and around them."""
    pieces = [f"{CANARY}{chance.randrange(100)}" for _ in range(chance.randint(1, 4))]
    return (
        chance.choice(["", chance.choice(SPECIAL)])
        + chance.choice(SPECIAL).join(pieces)
        + chance.choice(["", "%", "'"])
    )


def malformed(seed: int) -> str:
    """Return a connection string as somebody writes it who forgets an encoding, a quote, a scheme or a separator."""
    chance = random.Random(seed)
    password = passwords(chance)
    secret = chance.choice([password, quote(password), quote(password, safe=SPECIAL), f"'{password}'"])
    text = chance.choice(
        [
            f"postgresql://rot:{secret}@db.example:5432/shop",
            f"postgres://rot:{secret}@db.example/shop?sslmode=require",
            f"postgresql://rot@db.example/shop?password={secret}&connect_timeout=3",
            f"postgresql://db.example/shop?user=rot&password={secret}",
            f"postgresql://:{secret}@a.example:1,b.example:2/shop",
            f"postgresql://rot:{secret}@[::1]:5432/shop",
            f"user=rot password={secret} host=db.example",
            f"host=db.example password={secret}",
            f"password = {secret} port=5432 sslmode=require",
            f"host=db.example;password={secret};dbname=shop",
            f"Server=db.example;Password={secret};Database=shop",
            f"host=db.example sslpassword={secret} options={secret}",
        ]
    )
    for _ in range(chance.choice([0, 0, 1, 2])):
        text = damaged(text, chance)
    return text


def damaged(text: str, chance: random.Random) -> str:
    """Lose, double, or replace a character outside the password, or change how the string begins.

    Not the ':' before the password: without it there is only a user, whom a message may name.
    """
    near = (text[max(0, index - 8) : index + 9] for index in range(len(text)))
    places = [index for index, around in enumerate(near) if CANARY not in around and text[index] != ":"] or [0]
    place = chance.choice(places)
    schemes = (
        "postgress://",
        "postgresql:/",
        "postgresql//",
        "http://",
        "postgresql:",
        "",
        " postgresql://",
        "POSTGRESQL://",
    )
    return chance.choice(
        [
            text[:place] + text[place + 1 :],
            text[:place] + text[place] + text[place:],
            text[:place] + chance.choice(SPECIAL) + text[place + 1 :],
            text.replace("postgresql://", chance.choice(schemes), 1),
        ]
    )


def messages(text: str) -> Iterator[str]:
    """Yield all that is said about a connection string: read as --dsn, as DATABASE_URL, used, and as a replica's."""
    for option, environment in ((text, {}), (None, {"DATABASE_URL": text})):
        try:
            resolve_dsn(option, environment)
        except JobError as error:
            yield str(error)
    with suppress(InvalidConninfo):
        yield replica_name(text)
    try:
        given = parse_conninfo(text)
    except InvalidConninfo as error:
        yield str(error)
        return
    for key in SHOWN:
        yield given.get(key, "")
    yield mask_values(" ".join(given.values()), given)
    try:
        asyncio.run(connect(make_conninfo(text, hostaddr="", host="127.0.0.1", port="1"), application_name="canary"))
    except BackfillError as error:
        yield str(error)


@pytest.mark.parametrize("part", range(8))
def test_no_piece_of_a_password_is_ever_quoted(part: int):
    for seed in range(part, COUNT, 8):
        text = malformed(seed)
        for message in messages(text):
            assert CANARY not in message, (seed, text, message)


def test_most_of_these_strings_are_refused_and_many_would_have_been_quoted_by_libpq():
    """The canaries have something to find: libpq's own words quote them."""
    quoted = 0
    for seed in range(400):
        try:
            given = psycopg.conninfo.conninfo_to_dict(malformed(seed))
        except psycopg.Error as error:
            quoted += CANARY in str(error)
        except UnicodeDecodeError:
            continue
        else:
            quoted += any(CANARY in str(given.get(key)) for key in SHOWN)
    assert quoted > 100


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("postgresql://rot:pw%Kanari@h/shop", "'%' is %25"),
        ("postgresql://rot:%be@h/shop", "is not UTF-8"),
        ("postgresql://rot:pw@Kanari@h/shop", "'@' is %40"),
        ("postgresql://rot:pw/Kanari@h/shop", "'/' is %2F"),
        ("postgresql://rot:12/Kanari@h/shop", "'@' after the host"),
        ("postgresql:///rot:Kanari@h/shop", "'@' after the host"),
        ("rot:Kanari@h/shop", "it does not begin with postgresql://"),
        ("postgress://rot:Kanari@h/shop", "it does not begin with postgresql://"),
        ("postgress://rot:Kanari@h/shop?sslmode=require", "it does not begin with postgresql://"),
        ("user=rot password=it's Kanari", "in single quotes"),
        ("host=h password=Kanari Kanari", "in single quotes"),
        ("host=h port=Kanari", "the port is not a number"),
        ("host=h;password=Kanari", "the host has a character"),
        ("dbname=shop;pwd=Kanari host=h", "a value holds another pair"),
        ("host=h pasword=Kanari", "did you mean 'password'?"),
    ],
)
def test_a_malformed_string_is_refused_with_what_to_write(text: str, advice: str):
    with pytest.raises(JobError) as refused:
        resolve_dsn(text, {})
    assert str(refused.value).startswith("the DSN cannot be parsed: ")
    assert advice in str(refused.value)
    assert "Kanari" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "postgresql://",
        "postgresql:///shop?host=/var/run/postgresql",
        "postgresql://%2Fvar%2Frun%2Fpostgresql/shop",
        "postgresql://rot%40server:pw@db.example:5432/shop?sslmode=verify-full",
        "postgresql://db.example/shop?user=rot@server",
        "postgresql://rot:p?w#x:y@a.example:5432,b.example:5433/shop?target_session_attrs=any",
        "postgresql://rot@[fe80::1%25eth0]:5432/shop",
        "postgresql://rot@bücher.example/shop",
        "host=/tmp,db.example port=,5432 dbname='my shop' user='o=rot' password='it\\'s'",
        "host=@abstract dbname=shop",
        "service=shop",
    ],
)
def test_what_libpq_takes_is_taken(text: str):
    assert parse_conninfo(text) == {k: str(v) for k, v in psycopg.conninfo.conninfo_to_dict(text).items()}


def test_what_libpq_says_of_other_values_is_masked():
    given = parse_conninfo("host=h user=rot password=Kanari sslmode=Kanari2 options='-c Kanari3=7' connect_timeout=10")
    said = 'invalid sslmode value: "Kanari2"; unrecognized configuration parameter "Kanari3"; Kanari; 10 s'
    assert (
        mask_values(said, given)
        == 'invalid sslmode value: "***"; unrecognized configuration parameter "***"; ***; 10 s'
    )


def test_a_message_keeps_words_that_the_string_shares_with_libpq():
    given = parse_conninfo("host=db.example user=require dbname=shop sslmode=require target_session_attrs=read-write")
    said = 'connection to server at "db.example" failed: session is not read-write; require'
    assert mask_values(said, given) == said


ADDRESSES = (
    "http//rot:Kanari@prometheus:9090",
    "https://rot:Kanari/w@prometheus:9090",
    "https://rot:Kanari@prometheus:9090",
    "http://prometheus:Kanari/",
    "prometheus:9090/Kanari@x",
    "http://prometheus:9090/?token=Kanari",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_prometheus_address_that_is_refused_is_not_quoted(address: str):
    probe = f"throttle:\n  probes: [{{name: p, max: 1, query: up, prometheus: '{address}'}}]"
    with pytest.raises(JobError) as refused:
        load(JOB.replace("throttle:", probe), "job.yaml")
    assert "Kanari" not in str(refused.value)
    assert "write one such as http://prometheus:9090" in str(refused.value)


@pytest.mark.parametrize(
    "direct",
    ["rot:Kanari@h/shop", "'host=h password=Kanari'", "7Kanari", "{host: Kanari}", "[[Kanari]]", "[{rot: Kanari}]"],
)
def test_a_direct_replica_of_the_wrong_kind_is_not_quoted(direct: str):
    with pytest.raises(JobError) as refused:
        load(JOB.replace("throttle:", f"throttle:\n  replicas: {{direct: {direct}}}"), "job.yaml")
    assert "Kanari" not in str(refused.value)
