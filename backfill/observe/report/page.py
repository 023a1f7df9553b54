"""The whole page: one file, no script, nothing fetched; for screens of any size, both themes, and paper."""

from __future__ import annotations

from importlib.resources import files

from backfill import __version__
from backfill.events.history.job_history import JobHistory
from backfill.observe.report import tables
from backfill.observe.report.markup import Child, Markup, element, joined
from backfill.observe.report.plots import plots
from backfill.observe.report.timeline import timeline
from backfill.values.units import format_duration

NO_HISTORY = "No history was kept: the job did not work for long enough, or an earlier version of backfill ran it."
TONES = {"done": "good", "running": "calm", "failed": "bad", "halted": "bad"}


def report_page(history: JobHistory) -> str:
    """Return the report of a job as HTML."""
    times = timeline(history)
    sections = [
        _section("Summary", tables.summary(history, times)),
        _section("What it did", *(plots(times) if times else (element("p", NO_HISTORY),))),
        _section("What people did", tables.requests(history.requests)),
        _section("Verification", tables.verification(history.proofs), *tables.rows_left(history)),
        _section("Decisions and waits", tables.decisions(history.events)),
        _section("Settings", tables.settings(history.settings)),
    ]
    if history.finish:
        sections.insert(3, _section("Finish", element("ul", *(element("li", step) for step in history.finish))))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
        element("title", f"{history.job}: {history.state}"),
        Markup(f"<style>{_style()}</style>"),
    )
    body = element("body", element("main", _heading(history), *sections, _foot(history, times.piece_s if times else 0)))
    return "<!doctype html>\n" + element("html", head, body, lang="en").html + "\n"


def _heading(history: JobHistory) -> Markup:
    state = element("span", history.state, class_=f"state {TONES.get(history.state, 'warn')}")
    why = element("p", history.reason, class_="why") if history.reason else joined()
    return element("header", element("h1", history.job, " ", state), why)


def _foot(history: JobHistory, piece_s: int) -> Markup:
    by = f" Each point is {format_duration(piece_s)}: the worst value, or the mean rate." if piece_s else ""
    made = f"Made by backfill {__version__} at {tables.moment(history.read_at)} from schema backfill."
    return element("footer", element("p", made + by))


def _section(title: str, *children: Child) -> Markup:
    return element("section", element("h2", title), *children)


def _style() -> str:
    return (files("backfill.observe.report") / "style.css").read_text(encoding="utf-8")
