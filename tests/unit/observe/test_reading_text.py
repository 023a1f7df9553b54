"""A reading in words shows its subject, its value and its limit in the units of people, and never hides unknown."""

import pytest

from backfill.observe.reading_text import limit_share, reading_text
from backfill.throttle.reading import Reading, Unit


@pytest.mark.parametrize(
    ("reading", "text", "share"),
    [
        (Reading(measure="active_sessions", subject="app", value=52.0, limit=40), "active sessions app 52/40", 1.3),
        (Reading(measure="active_sessions", subject="app", value=None, limit=40), "active sessions app ?/40", 1.0),
        (
            Reading(measure="slot_retained_bytes", subject="debezium", value=6 << 30, limit=8 << 30, unit=Unit.BYTES),
            "slot retained debezium 6GB/8GB",
            0.75,
        ),
        (Reading(measure="oldest_snapshot_s", value=90.0, unit=Unit.SECONDS), "oldest snapshot 1m30s", 0.0),
        (Reading(measure="blocked_sessions", value=2, limit=0), "blocked sessions 2/0", 1.0),
        (Reading(measure="blocked_sessions", value=0, limit=0), "blocked sessions 0/0", 0.0),
    ],
)
def test_a_reading_reads_as_words_and_a_share(reading: Reading, text: str, share: float):
    assert reading_text(reading) == text
    assert limit_share(reading) == pytest.approx(share)
