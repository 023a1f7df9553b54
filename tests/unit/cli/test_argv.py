"""A password in the arguments is found however it is written, and the DSN that counts is the one that counted before."""

from __future__ import annotations

import pytest

from backfill.cli.argv import without_password

URL = "postgresql://user:secret@host/db"


@pytest.mark.parametrize(
    "dsn",
    [
        URL,
        "postgresql://user:s/e#c?r&e:t@host/db",
        "postgresql://:secret@host",
        "postgres://user:sec\nret@host",
        "postgresql://user@host/db?password=secret",
        "postgresql://user@host/db?p%61ssword=secret",
        "host=h password=secret",
        "host=h PASSWORD\t=\n'sec ret'",
        "host=h sslpassword=secret",
        "user:secret@host/db",
        "postgress://user:secret@host/db",
        "host=h;pwd=secret",
        "host=h passwort=secret",
    ],
)
def test_a_dsn_with_a_password_leaves_the_arguments_whole(dsn):
    rest = ["run", "job.yaml", "--json"]
    assert without_password(["run", "--dsn", dsn, "job.yaml", "--json"]) == (rest, dsn)
    assert without_password(["run", "job.yaml", "--json", f"--dsn={dsn}"]) == (rest, dsn)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run", "job.yaml"],
        ["run", "--dsn", "host=h user=u", "job.yaml"],
        ["run", "--dsn=postgresql://user@host/db"],
        ["run", "--dsn"],
        ["run", URL],
        ["run", f"--http={URL}"],
        ["run", "--dsn="],
    ],
)
def test_arguments_without_one_stay_as_they_are(arguments):
    assert without_password(arguments) == (arguments, None)


def test_the_last_of_several_counts_with_or_without_a_password():
    assert without_password(["run", "--dsn", "host=a", f"--dsn={URL}"]) == (["run"], URL)
    assert without_password(["run", f"--dsn={URL}", "--dsn", "host=a"]) == (["run"], "host=a")
    assert without_password(["run", f"--dsn={URL}", "--dsn"]) == (["run", "--dsn"], URL)
