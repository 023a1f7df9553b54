"""Proves that each overlay and component renders to what the API takes, and that all of them run the same safe pod."""

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
from backfill.jobfile.load import load
from backfill.values.exit_codes import ExitCode
from grafana.rules import RULE, text
from tests.unit.deploy.kubectl import rendered

ROOT = Path(__file__).parents[3]
KUSTOMIZE = ROOT / "deploy" / "kustomize"
KUBERNETES = kubernetes_validate.latest_version()
DIRECTORIES = {
    *("account", "base"),
    *(f"overlays/{name}" for name in ("example", "once", "nightly", "clusters")),
}
COMPONENTS = {f"components/{name}" for name in ("highly-available", "monitoring", "service-file")}
EXAMPLES = {"overlays/example/secret.example.yaml", "overlays/clusters/services.example.yaml"}
BATCH = {"once": "FailJob", "nightly": "FailJob", "clusters": "FailIndex"}
OPERATORS = "monitoring.coreos.com/v1"
AGAIN = {ExitCode.DONE, ExitCode.FAILED}
"""After these another pod is no waste."""


@pytest.fixture(scope="module", params=sorted(DIRECTORIES))
def overlay(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return rendered(KUSTOMIZE / request.param)


@pytest.fixture(scope="module", params=sorted(COMPONENTS))
def with_component(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The example with one component, as a copy of it would have it."""
    return composed(tmp_path_factory.mktemp("overlay"), request.param)


def composed(folder: Path, *components: str) -> list[dict[str, Any]]:
    above = "/".join([".."] * (len(folder.parts) - 1)) + str(KUSTOMIZE)
    lines = {"resources": [f"{above}/base"], "components": [f"{above}/{name}" for name in components]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(lines))
    return rendered(folder)


def validate(objects: list[dict[str, Any]]) -> None:
    for made in objects:
        if made["apiVersion"] != OPERATORS:
            kubernetes_validate.validate(made, KUBERNETES, strict=True)


def pod_of(made: dict[str, Any]) -> dict[str, Any]:
    spec = made["spec"]["jobTemplate"]["spec"] if made["kind"] == "CronJob" else made["spec"]
    found: dict[str, Any] = spec["template"]["spec"]
    return found


def batch_of(name: str) -> dict[str, Any]:
    [made] = [one for one in rendered(KUSTOMIZE / "overlays" / name) if one["kind"] in {"Job", "CronJob"}]
    return made


def job_spec(name: str) -> dict[str, Any]:
    made = batch_of(name)
    spec: dict[str, Any] = made["spec"]["jobTemplate"]["spec"] if made["kind"] == "CronJob" else made["spec"]
    return spec


def test_every_file_is_rendered_or_an_example():
    used = set(EXAMPLES)
    for name in DIRECTORIES | COMPONENTS:
        kustomization = yaml.safe_load((KUSTOMIZE / name / "kustomization.yaml").read_text())
        maps = [file for made in kustomization.get("configMapGenerator", ()) for file in made["files"]]
        own = [file for file in (*kustomization.get("resources", ()), *maps) if file.endswith(".yaml")]
        used |= {f"{name}/{file}" for file in ("kustomization.yaml", *own)}
    assert {str(path.relative_to(KUSTOMIZE)) for path in KUSTOMIZE.rglob("*.*")} == used


def test_what_is_rendered_is_what_the_api_takes(overlay: list[dict[str, Any]]):
    validate(overlay)
    assert not [made for made in overlay if made["kind"] == "Secret"]


def test_an_example_with_a_component_is_too(with_component: list[dict[str, Any]]):
    validate(with_component)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_form_of_a_secret_has_no_secret(name: str):
    secret = yaml.safe_load((KUSTOMIZE / name).read_text())
    kubernetes_validate.validate(secret, KUBERNETES, strict=True)
    [value] = secret["stringData"].values()
    assert re.search("HOST", value)
    assert re.search("PASSWORD", value)


@pytest.mark.parametrize("name", BATCH)
def test_a_job_runs_the_pod_of_the_deployment_once(name: str):
    """Its image, rights and limits; what differs is the command and where the database comes from."""
    [deployment] = [made for made in rendered(KUSTOMIZE / "overlays" / "example") if made["kind"] == "Deployment"]
    served, run = pod_of(deployment), pod_of(batch_of(name))
    assert run["restartPolicy"] == "Never"
    assert run["containers"][0]["image"] == f"registry.example/platform/backfill:{__version__}"
    for pod in (served, run):
        for key in ("restartPolicy", "volumes"):
            pod.pop(key, None)
        pod["securityContext"].pop("fsGroup", None)
        for key in ("args", "env", "volumeMounts", "startupProbe", "readinessProbe", "livenessProbe"):
            pod["containers"][0].pop(key, None)
    assert run == served


@pytest.mark.parametrize(("name", "action"), BATCH.items())
def test_a_pod_that_ends_is_judged_by_its_exit_code(name: str, action: str):
    disrupted, stopped, final = job_spec(name)["podFailurePolicy"]["rules"]
    assert disrupted == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert (stopped["action"], stopped["onExitCodes"]["values"]) == ("Ignore", [143])
    ends = {int(code) for code in ExitCode if code < 75}
    assert (final["action"], set(final["onExitCodes"]["values"])) == (action, ends - AGAIN)


@pytest.mark.parametrize("name", BATCH)
def test_its_command_line_and_its_job_are_ours(name: str):
    container = pod_of(batch_of(name))["containers"][0]
    command, path, *options = container["args"]
    typer.main.get_command(app).commands[command].make_context(command, [path, *options])  # type: ignore[attr-defined]
    file = KUSTOMIZE / "overlays" / name / Path(path).name
    job = load(file.read_text(), file.name).job
    assert job.name == file.stem
    assert pod_of(batch_of(name))["terminationGracePeriodSeconds"] >= job.statement_timeout_s + 15


def test_a_pod_of_many_clusters_has_the_service_of_its_index():
    container = pod_of(batch_of("clusters"))["containers"][0]
    index, service, file = container["env"]
    assert index["valueFrom"]["fieldRef"]["fieldPath"].endswith("['batch.kubernetes.io/job-completion-index']")
    assert service == {"name": "PGSERVICE", "value": f"cluster-$({index['name']})"}
    [mount] = [one for one in container["volumeMounts"] if file["value"].startswith(one["mountPath"] + "/")]
    [volume] = [one for one in pod_of(batch_of("clusters"))["volumes"] if one["name"] == mount["name"]]
    example = yaml.safe_load((KUSTOMIZE / "overlays/clusters/services.example.yaml").read_text())
    assert volume["secret"]["secretName"] == example["metadata"]["name"]
    assert "[cluster-0]" in example["stringData"][Path(file["value"]).name]


def test_of_three_pods_one_may_be_moved_at_a_time(tmp_path: Path):
    made = {one["kind"]: one for one in composed(tmp_path, "components/highly-available")}
    deployment, budget = made["Deployment"]["spec"], made["PodDisruptionBudget"]["spec"]
    assert deployment["replicas"] == 3
    assert deployment["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    assert (budget["maxUnavailable"], budget["selector"]) == (1, deployment["selector"])
    [spread] = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"] == deployment["selector"]


def test_a_service_file_leaves_nothing_of_the_database_in_the_environment(tmp_path: Path):
    [deployment] = [one for one in composed(tmp_path, "components/service-file") if one["kind"] == "Deployment"]
    container = pod_of(deployment)["containers"][0]
    assert {one["name"] for one in container["env"]} == {"PGSERVICEFILE", "PGSERVICE"}
    assert not [one for one in container["env"] if "valueFrom" in one]


def test_the_alerts_of_the_operator_are_those_of_grafana():
    assert RULE.read_text() == text(), "python -m grafana.rules"
    rule = yaml.safe_load(RULE.read_text())
    assert rule["spec"] == yaml.safe_load((ROOT / "grafana" / "alerts.yaml").read_text())
