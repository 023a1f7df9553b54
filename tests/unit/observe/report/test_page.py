"""The report: one page that needs nothing else, in which every text of others stays text, and gaps stay gaps."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from backfill.events.history.job_history import EventRecord, HistoryPoint, ProofRecord
from backfill.events.history.span import HistorySpan, WorstReading
from backfill.observe.report.page import NO_HISTORY, report_page
from backfill.observe.report.timeline import PIECES_MAX, timeline, together
from tests.unit.observe.report.histories import BEGAN, history

HOSTILE = '<script>alert(\'x\')</script>" onload="y" & postgres://bob:secret@db/shop \x1b[31m'


class Tags(HTMLParser):
    """The elements of a page, their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_else():
    page = report_page(history())
    seen = Tags(page)
    assert not {"script", "link", "img", "iframe", "object"} & set(seen.tags)
    assert not [name for name, _ in seen.attributes if name in ("src", "href") or name.startswith("on")]
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page or "default-src &#x27;none&#x27;" in page


def test_it_says_what_was_done_and_what_it_did_to_the_replicas():
    text = Tags(report_page(history())).text
    for said in (
        "12,345,678",
        "Worst lag of replica-b",
        "12.4s of 10s, unknown for a while",
        "deploy of the shop",
        "alice (alice on laptop)",
        "no row is left",
        "85% of",
        "replica-b lag 11.4s > 10s, and 4 more like it until 2026-11-29 10:36:00 UTC",
        "done in 2.4s, 120,798 row versions removed",
        "lower(username)",
    ):
        assert said in text


def test_every_plot_is_well_formed_and_inside_its_frame():
    page = report_page(history())
    plots = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(plots) == 9  # two replicas, WAL, rows, batches, waits, HOT, a slot, dead tuples
    for plot in plots:
        root = ET.fromstring(plot)
        for shape in root.iter("polyline"):
            points = [tuple(map(float, point.split(","))) for point in shape.attrib["points"].split()]
            assert len(points) >= 2
            assert all(0 <= x <= 720 and 0 <= y <= 180 for x, y in points)


def test_a_time_without_events_is_a_gap_in_the_lines():
    whole = report_page(history(90))
    with_gap = report_page(history(180))
    lag = [re.search(r"Lag of replica-a.*?</svg>", page, re.DOTALL) for page in (whole, with_gap)]
    drawn = [found[0].count('class="c0"') for found in lag if found]
    assert drawn == [1, 2]


@pytest.mark.parametrize("state", ["running", "failed", "halted"])
def test_a_job_that_is_not_done_shows_its_state_and_its_reason(state: str):
    text = Tags(report_page(history(state=state, finished_at=None, reason="replica-b lag 12s > 10s"))).text
    assert f"users-handle {state}" in text
    assert "Last activity" in text
    assert "replica-b lag 12s > 10s" in text


def test_a_job_without_history_says_so():
    page = report_page(history(points=(), requests=(), events=(), proofs=()))
    assert NO_HISTORY in page
    assert "<svg" not in page
    assert "Nobody paused, resumed, cancelled or tuned it." in page


def test_what_others_wrote_stays_text_and_shows_no_password():
    kept = history(3)
    [asked] = kept.requests
    span = HistorySpan(waits={HOSTILE: 3.0}, signals={"probe": {HOSTILE: WorstReading(1.0, 2.0)}})
    page = report_page(
        replace(
            kept,
            job=HOSTILE,
            table=HOSTILE,
            state=HOSTILE,
            reason=HOSTILE,
            samples=(HOSTILE,),
            rejected=(HOSTILE,),
            finish=(HOSTILE,),
            settings=((HOSTILE, HOSTILE),),
            requests=(replace(asked, role=HOSTILE, client=HOSTILE, action=HOSTILE, reason=HOSTILE, limits=HOSTILE),),
            events=(EventRecord(BEGAN, HOSTILE, HOSTILE),),
            proofs=(ProofRecord(HOSTILE, None, None),),
            points=(HistoryPoint(BEGAN, span),),
        )
    )
    seen = Tags(page)
    assert "script" not in seen.tags
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert "secret" not in page
    assert "\x1b" not in page
    assert "alert('x')" in seen.text


def test_a_year_is_brought_to_as_many_pieces_as_a_plot_shows_and_keeps_its_sums_and_its_worst():
    span = HistorySpan(batches=1, rows=10, waits={"lag": 1.0}, signals={"m": {"s": WorstReading(1.0, 5.0)}})
    points = [HistoryPoint(BEGAN + timedelta(hours=hour), span) for hour in range(8_000)]
    points[4_321] = HistoryPoint(points[4_321].at, replace(span, signals={"m": {"s": WorstReading(9.0, 5.0)}}))
    times = timeline(history(points=tuple(points), span_s=3600))
    assert times is not None
    assert len(times.pieces) <= PIECES_MAX
    total = together(piece.span for piece in times.pieces)
    assert (total.rows, total.batches, total.waits["lag"]) == (80_000, 8_000, 8_000.0)
    assert total.signals["m"]["s"] == WorstReading(9.0, 5.0)
    assert len(report_page(history(points=tuple(points), span_s=3600))) < 400_000
