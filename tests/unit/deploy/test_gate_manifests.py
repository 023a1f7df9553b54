"""Proves that the gate's manifests are what the API takes, ask for the same gate, and end in the right order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer.main
import yaml

from backfill import __version__
from backfill.cli.root import app
from backfill.values.exit_codes import ExitCode
from backfill.values.units import parse_duration

ROOT = Path(__file__).parents[3]
GATE = ROOT / "deploy" / "gate"
PAGE = ROOT / "docs" / "operations" / "deploy-gate.md"
JOBS = ("job.yaml", "argocd-hook.yaml", "helm-hook.yaml")
FILES = (*JOBS, "application.yaml")
KUBERNETES = kubernetes_validate.latest_version()


def read(name: str) -> dict[str, Any]:
    manifest: dict[str, Any] = yaml.safe_load((GATE / name).read_text())
    return manifest


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = read(name)["spec"]["template"]["spec"]
    return found


def gate_of(name: str) -> dict[str, Any]:
    spec = pod(name)
    [found] = [one for one in (*spec.get("initContainers", ()), *spec["containers"]) if one["name"] == "gate"]
    return dict(found)


def timeout_s(name: str) -> float:
    arguments = gate_of(name)["args"]
    return parse_duration(arguments[arguments.index("--timeout") + 1])


def test_every_manifest_is_checked_and_described():
    assert {path.name for path in GATE.iterdir()} == set(FILES)
    assert set(re.findall(r"deploy/gate/([\w-]+\.yaml)", PAGE.read_text())) == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_they_are_what_the_api_takes(name: str):
    kubernetes_validate.validate(read(name), KUBERNETES, strict=True)


@pytest.mark.parametrize("name", FILES)
def test_the_command_line_takes_their_arguments(name: str):
    command, *arguments = gate_of(name)["args"]
    group = typer.main.get_command(app)
    context = group.commands[command].make_context(command, list(arguments))  # type: ignore[attr-defined]
    assert context.params["jobs"] == ["users-handle"]


@pytest.mark.parametrize("name", FILES)
def test_they_ask_for_the_same_gate_as_the_same_user(name: str):
    gate, first = gate_of(name), gate_of("job.yaml")
    assert gate == first
    assert gate["image"] == f"backfill:{__version__}"
    assert gate["env"][0]["valueFrom"]["secretKeyRef"] == {"name": "backfill-dsn", "key": "dsn"}
    assert gate["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod(name)["automountServiceAccountToken"] is False
    assert pod(name)["securityContext"]["runAsNonRoot"] is True


@pytest.mark.parametrize("name", JOBS)
def test_the_gate_ends_before_its_job_and_the_job_before_the_tool_that_waits(name: str):
    deadline_s = read(name)["spec"]["activeDeadlineSeconds"]
    assert timeout_s(name) + 30 <= deadline_s
    [tool] = re.findall(r"helm upgrade .*--timeout (\w+)", PAGE.read_text())
    assert deadline_s < parse_duration(tool)
    [waits] = re.findall(r"kubectl wait --for.*--timeout=(\w+)", PAGE.read_text())
    assert deadline_s < parse_duration(waits)


def test_a_rollout_waits_longer_than_the_gate():
    assert read("application.yaml")["spec"]["progressDeadlineSeconds"] > timeout_s("application.yaml") + 60


@pytest.mark.parametrize("name", JOBS)
def test_another_pod_is_not_tried_for_what_it_cannot_change(name: str):
    spec = read(name)["spec"]
    [rule] = spec["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["values"] == [ExitCode.INVALID, ExitCode.HALTED, ExitCode.LOCK_HELD]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize("name", ["argocd-hook.yaml", "helm-hook.yaml"])
def test_hooks_are_deleted_before_the_next_one_by_either_tool(name: str):
    annotations = read(name)["metadata"]["annotations"]
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation"
    assert annotations["argocd.argoproj.io/hook-delete-policy"] == "BeforeHookCreation"


def test_the_application_is_in_a_later_wave_than_the_gate():
    waves = [
        int(read(name)["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])
        for name in ("argocd-hook.yaml", "application.yaml")
    ]
    assert waves == [0, 1]
