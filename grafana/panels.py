"""The parts of a Grafana dashboard: queries, and panels without their position."""
# ruff: noqa: INP001 - not part of the package

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
JOB = '{job=~"$job"}'
BUDGET = "budget"


def rate(metric: str, by: str) -> str:
    """Return the increase of a counter per second, summed by labels."""
    return f"sum by ({by}) (rate(backfill_{metric}{JOB}[$__rate_interval]))"


def worst(metric: str, by: str) -> str:
    """Return the greatest of a gauge by labels: a pod that waits for the lock has the job's metrics, too."""
    return f"max by ({by}) (backfill_{metric}{JOB})"


@dataclass(frozen=True)
class Target:
    """One query and the legend of its series."""

    expr: str
    legend: str = "{{job}}"
    instant: bool = False

    def to_json(self, letter: str) -> Json:
        """Return Grafana's form."""
        return {
            "refId": letter,
            "datasource": SOURCE,
            "expr": self.expr,
            "legendFormat": self.legend,
            "instant": self.instant,
            "range": not self.instant,
        }


def quantiles(metric: str) -> list[Target]:
    """Return the median and the 99th percentile of a histogram."""
    of = rate(f"{metric}_bucket", "job, le")
    return [
        Target(f"histogram_quantile({share}, {of})", f"{{{{job}}}} {name}")
        for share, name in (("0.5", "p50"), ("0.99", "p99"))
    ]


@dataclass(frozen=True)
class Panel:
    """A panel without its position; `width` is in columns."""

    kind: str
    title: str
    description: str
    unit: str
    targets: list[Target]
    width: int
    defaults: Json = field(default_factory=dict)
    overrides: list[Json] = field(default_factory=list)
    options: Json = field(default_factory=dict)

    def to_json(self, number: int, position: Json) -> Json:
        """Return Grafana's form, at a position."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "gridPos": position,
            "targets": [target.to_json(letter) for letter, target in zip("ABCD", self.targets, strict=False)],
            "fieldConfig": {"defaults": {"unit": self.unit, **self.defaults}, "overrides": self.overrides},
            "options": self.options,
        }


def lines(
    title: str,
    description: str,
    unit: str,
    targets: list[Target],
    *,
    width: int,
    stacked: bool = False,
    most: float | None = None,
) -> Panel:
    """Return a time series from 0; a series named budget is a red dashed line."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    budget = {
        "matcher": {"id": "byRegexp", "options": f"/^{BUDGET}/"},
        "properties": [
            {"id": "color", "value": {"mode": "fixed", "fixedColor": "red"}},
            {"id": "custom.fillOpacity", "value": 0},
            {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}},
        ],
    }
    options = {
        "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    defaults = {"min": 0, "custom": custom} | ({} if most is None else {"max": most})
    return Panel("timeseries", title, description, unit, targets, width, defaults, [budget], options)


def last(title: str, description: str, unit: str, expr: str, *, width: int, bad_from: float | None = None) -> Panel:
    """Return the last value of each job, red from `bad_from` on."""
    steps: list[Json] = [{"color": "text" if bad_from is None else "green", "value": None}]
    steps += [] if bad_from is None else [{"color": "red", "value": bad_from}]
    defaults = {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}}
    options = reduced(colorMode="value", graphMode="none", textMode="auto")
    return Panel("stat", title, description, unit, [Target(expr, instant=True)], width, defaults, [], options)


def reduced(**options: Any) -> Json:
    """Return the options of a panel that shows only the last value."""
    return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, **options}
