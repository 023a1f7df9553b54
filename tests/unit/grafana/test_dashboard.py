"""The dashboard and the alerts know every metric, and only metrics, labels and values that exist."""

import json
import re
import runpy
from functools import cache
from itertools import combinations
from pathlib import Path

import promql_parser
import pytest
import yaml
from prometheus_client import Counter, Histogram

from backfill.observe.metrics.table import METRICS, PREFIX
from backfill.observe.status import State
from backfill.throttle.wait_reason import PACE_KINDS, WaitKind

ROOT = Path(__file__).parents[3]
BUILD = runpy.run_path(str(ROOT / "grafana" / "build.py"))
DASHBOARD = json.loads((ROOT / "grafana" / "backfill.json").read_text())
PANELS = DASHBOARD["panels"]
TARGETS = {f"{panel['title']} {target['refId']}": target for panel in PANELS for target in panel["targets"]}
ALERTS = yaml.safe_load((ROOT / "grafana" / "alerts.yaml").read_text())
RULES = {rule["alert"]: rule for group in ALERTS["groups"] for rule in group["rules"]}
EXPRESSIONS = {name: one["expr"] for name, one in (TARGETS | RULES).items()}

each_expression = pytest.mark.parametrize("expr", EXPRESSIONS.values(), ids=EXPRESSIONS)


def series():
    """Name of every series that the table makes, with its labels."""
    for metric in METRICS:
        labels = {"job", *metric.labels}
        if metric.kind is Histogram:
            yield PREFIX + metric.name + "_bucket", labels | {"le"}
            yield PREFIX + metric.name + "_sum", labels
            yield PREFIX + metric.name + "_count", labels
        else:
            yield PREFIX + metric.name, labels


SERIES = dict(series())
COUNTED = {PREFIX + metric.name for metric in METRICS if metric.kind is Counter} | {
    name for name in SERIES if name.endswith(("_bucket", "_sum", "_count"))
}


@cache
def parse(expr):
    return promql_parser.parse(expr.replace("$__rate_interval", "1m").replace("$job", ".*"))


def nodes(tree, *kinds):
    found = []

    def visit(node):
        if isinstance(node, kinds):
            found.append(node)

    promql_parser.walk(tree, visit)
    return found


def selectors(tree):
    return nodes(tree, promql_parser.VectorSelector)


def matchers(selector):
    return {matcher.name: matcher for matcher in selector.matchers.matchers}


def told_labels(expr):
    """Labels that each series of the answer has."""
    aggregates = nodes(parse(expr), promql_parser.AggregateExpr)
    if aggregates:
        return set.intersection(*(set(one.modifier.labels) for one in aggregates)) - {"le"}
    return set.intersection(*(SERIES[one.name] for one in selectors(parse(expr))))


def test_the_file_is_what_the_builder_builds():
    assert (ROOT / "grafana" / "backfill.json").read_text() == BUILD["text"]()


@each_expression
def test_expressions_parse_and_know_their_metrics_and_labels(expr):
    tree = parse(expr)
    assert selectors(tree)
    for selector in selectors(tree):
        assert selector.name in SERIES
        assert set(matchers(selector)) <= SERIES[selector.name]
    for aggregate in nodes(tree, promql_parser.AggregateExpr):
        for selector in selectors(aggregate):
            assert set(aggregate.modifier.labels) <= SERIES[selector.name]


@each_expression
def test_counters_are_read_as_rates_and_gauges_are_not(expr):
    ranged = {
        selector.name for matrix in nodes(parse(expr), promql_parser.MatrixSelector) for selector in selectors(matrix)
    }
    used = {selector.name for selector in selectors(parse(expr))}
    assert ranged == used & COUNTED
    assert {call.func.name for call in nodes(parse(expr), promql_parser.Call)} <= {"rate", "histogram_quantile"}


@each_expression
def test_label_values_exist(expr):
    values = {
        "state": {state.value for state in State},
        "reason": {kind.value for kind in WaitKind},
        "source": {"all", "own"},
    }
    for selector in selectors(parse(expr)):
        for name, matcher in matchers(selector).items():
            if name in values:
                assert set(matcher.value.split("|")) <= values[name]


def test_every_metric_is_on_the_dashboard():
    used = {selector.name for target in TARGETS.values() for selector in selectors(parse(target["expr"]))}
    for metric in METRICS:
        name = PREFIX + metric.name
        assert name in used or name + "_bucket" in used


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_targets_choose_jobs_and_intervals_by_variable(target):
    expr = target["expr"]
    for selector in selectors(parse(expr)):
        assert matchers(selector)["job"].value == ".*"
    assert expr.count("rate(") == expr.count("[$__rate_interval]")
    assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) == told_labels(expr)
    assert target["instant"] != target["range"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_panels_say_what_they_show(panel):
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert [target["refId"] for target in panel["targets"]] == list("AB")[: len(panel["targets"])]
    assert [
        source["uid"] for source in (panel["datasource"], *(target["datasource"] for target in panel["targets"]))
    ] == ["${datasource}"] * (1 + len(panel["targets"]))


def test_panels_lie_side_by_side():
    def cells(panel):
        place = panel["gridPos"]
        return {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }

    assert all(not cells(one) & cells(other) for one, other in combinations(PANELS, 2))
    every = set().union(*map(cells, PANELS))
    assert {x for x, _ in every} == set(range(24))
    assert len(every) == 24 * (1 + max(y for _, y in every))
    assert len({panel["id"] for panel in PANELS}) == len({panel["title"] for panel in PANELS}) == len(PANELS)


def test_the_dashboard_is_bound_to_no_installation():
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "job"]
    assert variables["datasource"]["query"] == "prometheus"
    (metric,) = re.findall(r"^label_values\((\w+), job\)$", variables["job"]["query"]["query"])
    assert metric in SERIES
    assert not DASHBOARD["editable"]
    assert "id" not in DASHBOARD


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_alerts_say_whom_and_what(rule):
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "description"}
    told = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    assert "job" in told
    assert told <= told_labels(rule["expr"])


def test_the_ordinary_pace_and_a_standby_raise_no_alarm():
    (selector,) = selectors(parse(RULES["BackfillHeldBack"]["expr"]))
    assert set(matchers(selector)["reason"].value.split("|")) == {
        kind.value for kind in PACE_KINDS | {WaitKind.LOCK, WaitKind.PAUSED, WaitKind.SCHEDULE, WaitKind.AFTER}
    }
