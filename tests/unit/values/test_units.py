"""Durations, sizes and rates are read as a person writes them, and written as a person reads them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.values.text import shown
from backfill.values.units import (
    DURATION_PATTERN,
    RATE_PATTERN,
    SIZE_PATTERN,
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)

DURATIONS = [
    ("0s", 0.0),
    ("15us", 15e-6),
    ("250ms", 0.25),
    ("700ms", 0.7),
    ("1.5s", 1.5),
    ("10s", 10.0),
    ("1m30s", 90.0),
    ("2h", 7200.0),
    ("1d2h3m4s5ms6us", 93784.005006),
]


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_a_duration(text: str, seconds: float):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", " 5s", "5s ", "5s\n", "-5s", "+5s", "5sec", "5S", "1e3s", ".5s", "5.s", "30s1m", "1s1s", "٣s", "inf", "nans", "9" * 16 + "s", "5m s", "0x5s", "1_000s"],
)  # fmt: skip
def test_no_duration(text: str):
    with pytest.raises(
        ValueError, match=r"^not a duration: .*; write a number and us, ms, s, m, h or d, such as 250ms$"
    ):
        parse_duration(text)


SIZES = [
    ("0B", 0),
    ("1B", 1),
    ("16kB", 16384),
    ("256MB", 256 * 1024**2),
    ("1.5GB", 1536 * 1024**2),
    ("10 GB", 10 * 1024**3),
    ("1TB", 1024**4),
]


@pytest.mark.parametrize(("text", "size_bytes"), SIZES)
def test_a_size_is_in_the_units_of_postgresql_conf(text: str, size_bytes: int):
    assert parse_size(text) == size_bytes
    assert parse_rate(text + "/s") == size_bytes


@pytest.mark.parametrize(
    "text",
    ["", "256", "MB", "256mb", "256KB", "256MiB", "256M", "-1MB", "1e3MB", "1  MB", "1MB ", "1PB", "٣MB", "1MB\n"],
)
def test_no_size(text: str):
    with pytest.raises(ValueError, match=r"^not a size: .*; write a number and B, kB, MB, GB or TB, such as 256MB$"):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "32MB", "/s", "32MB/", "32MB/S", "32MB/m", "32MB /s", "32MB/s\n", "32/s"])
def test_no_rate(text: str):
    with pytest.raises(ValueError, match=r"^not a rate: .*; write a size and /s, such as 32MB/s$"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1e-9, "0s"),
        (15e-6, "15us"),
        (0.0005, "500us"),
        (0.000999, "999us"),
        (0.0009996, "1ms"),
        (0.25, "250ms"),
        (0.9994, "999ms"),
        (0.9996, "1s"),
        (12.4, "12.4s"),
        (10.0, "10s"),
        (59.94, "59.9s"),
        (59.96, "1m00s"),
        (200, "3m20s"),
        (3599.6, "1h00m"),
        (7500, "2h05m"),
        (172799, "47h59m"),
        (172800, "2d00h"),
        (1e6, "11d13h"),
        (-12.4, "-12.4s"),
    ],
)
def test_a_duration_as_a_person_would_say_it(seconds: float, text: str):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0B"),
        (0.4, "0B"),
        (1, "1B"),
        (1023, "1023B"),
        (1024, "1kB"),
        (1023.9 * 1024, "1MB"),
        (12.4 * 1024**2, "12.4MB"),
        (99.96 * 1024, "100kB"),
        (640 * 1024, "640kB"),
        (3 * 1024**5, "3072TB"),
        (-1024, "-1kB"),
    ],
)
def test_a_size_as_a_person_would_say_it(size_bytes: float, text: str):
    assert format_size(size_bytes) == text
    assert format_rate(size_bytes) == text + "/s"


@given(st.floats(0, 1e9))
def test_what_is_said_of_a_duration_is_one_and_within_five_per_cent(seconds: float):
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=0.05, abs=1e-6)


@given(st.floats(0, 1e18))
def test_what_is_said_of_a_size_is_one_and_within_five_per_cent(size_bytes: float):
    assert parse_size(format_size(size_bytes)) == pytest.approx(size_bytes, rel=0.05, abs=1)
    assert parse_rate(format_rate(size_bytes)) == parse_size(format_size(size_bytes))


@given(st.decimals(0, 10**9, places=3).map(lambda number: f"{number:f}"))
def test_milliseconds_and_seconds_agree_exactly(number: str):
    whole, thousandths = number.split(".")
    assert parse_duration(f"{number}s") == parse_duration(f"{int(whole + thousandths)}ms")


@given(st.one_of(st.text(), st.from_regex(DURATION_PATTERN), st.from_regex(SIZE_PATTERN), st.from_regex(RATE_PATTERN)))
def test_the_patterns_for_editors_say_what_the_parsers_do(text: str):
    for parse, pattern in (
        (parse_duration, DURATION_PATTERN),
        (parse_size, SIZE_PATTERN),
        (parse_rate, RATE_PATTERN),
    ):
        try:
            assert parse(text) >= 0
        except ValueError:
            assert not re.fullmatch(pattern, text)


@given(st.text())
def test_a_value_in_a_message_is_short_and_on_one_line(text: str):
    assert len(shown(text).splitlines()) == 1
    assert len(shown(text, limit=10)) <= 10 * len(r"\U0010ffff") + len("''…")
