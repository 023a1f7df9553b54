"""The alerts as an object of the Prometheus operator: `python -m grafana.rules` writes it from alerts.yaml."""
# ruff: noqa: INP001 - not part of the package

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
RULE = ROOT / "deploy" / "kustomize" / "components" / "monitoring" / "prometheusrule.yaml"
HEAD = """\
# Written by `python -m grafana.rules` from grafana/alerts.yaml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: backfill
  labels:
    app.kubernetes.io/name: backfill
spec:
"""


def text() -> str:
    """Return the file's content: the groups of the alerts, as they are written, under `spec`."""
    alerts = (ROOT / "grafana" / "alerts.yaml").read_text(encoding="utf-8")
    groups = alerts[alerts.index("groups:") :].splitlines()
    return HEAD + "\n".join(f"  {line}" if line else line for line in groups) + "\n"


if __name__ == "__main__":
    RULE.write_text(text(), encoding="utf-8")
