"""What is deployed, as far as it can be checked without a cluster."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from scheduler.cli import cli
from scheduler.metrics import METRICS
from tuner.arch import resolve

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
MANIFESTS = sorted(DEPLOY.rglob("*.yaml"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))

#: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text()))


def one(name: str) -> Any:
    (found,) = documents(DEPLOY / name)
    return found


def walk(value: Any) -> Iterator[Any]:
    yield value
    children = value.values() if isinstance(value, dict) else value
    if isinstance(value, (dict, list)):
        for child in children:
            yield from walk(child)


def check_command(words: list[str]) -> None:
    """Fail unless these words call a command with options that it takes."""
    command: click.Command = cli
    rest = list(words)
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), rest[0])
        assert found is not None, f"no command {words}"
        command = found
        rest.pop(0)
    known = {name for param in command.params for name in param.opts}
    given = {word.partition("=")[0] for word in rest if word.startswith("--")}
    assert given <= known, f"{words}: {given - known}"


def check_ray_start(words: list[str]) -> None:
    from ray.scripts.scripts import start

    known = {name for param in start.params for name in param.opts}
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given <= known, f"{words}: {given - known}"


def check_serve(words: list[str]) -> None:
    """Fail unless `tunefleet-serve` takes these options."""
    source = (ROOT / "runtime" / "cpp" / "serve" / "options.cpp").read_text()
    given = {word for word in words if word.startswith("--")}
    assert given <= set(re.findall(r'"(--[a-z-]+)"', source))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_labels_have_the_syntax_of_kubernetes(path: Path) -> None:
    for document in documents(path):
        for node in walk(document):
            if isinstance(node, dict) and isinstance(node.get("labels"), dict):
                for name, value in node["labels"].items():
                    prefix, slash, short = name.rpartition("/")
                    assert _NAME.fullmatch(short), name
                    assert not slash or _PREFIX.fullmatch(prefix), name
                    assert _NAME.fullmatch(value), value


def node_groups() -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    groups = [
        (g["groupName"], g["labels"], g["resources"])
        for g in one("kuberay/cluster.yaml")["spec"]["workerGroupSpecs"]
    ]
    return groups + [
        (name, t["labels"], t["resources"])
        for name, t in one("ray/cluster.yaml")["available_node_types"].items()
        if name != "head"
    ]


@pytest.mark.parametrize("group", node_groups(), ids=lambda group: group[0])
def test_groups_are_labelled_with_a_cpu_that_exists(group: Any) -> None:
    name, labels, resources = group
    arch = resolve(labels["cpu-arch"])
    assert labels["isa-level"] == arch.isa_level == resolve(name).isa_level
    # Half of the hyperthreads are cores of their own; half of the cores measure.
    assert 1 <= int(resources["measure_slot"]) <= int(resources["CPU"]) // 4


def test_there_is_a_group_per_architecture() -> None:
    for groups in (node_groups()[:2], node_groups()[2:]):
        assert {labels["isa-level"] for _, labels, _ in groups} == {"x86-64-v3", "x86-64-v4"}


def test_the_launcher_file_is_what_ray_takes() -> None:
    import ray

    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    given = one("ray/cluster.yaml")
    jsonschema.validate(given, json.loads(schema.read_text()))
    assert given["head_node_type"] in given["available_node_types"]
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        for line in given[key]:
            words = [w for w in shlex.split(line) if not re.match(r"[A-Z_]+=", w)]
            assert words[0] == "ray"
            if words[1] == "start":
                check_ray_start(words[2:])


def test_the_kuberay_cluster_is_whole() -> None:
    cluster = one("kuberay/cluster.yaml")
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    lock = (ROOT / "requirements.lock").read_text()
    assert f"ray=={cluster['spec']['rayVersion']}\n" in lock
    assert cluster["spec"]["authOptions"]["mode"] == "token"
    head = cluster["spec"]["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0", "the head must not measure"
    for group in (head, *cluster["spec"]["workerGroupSpecs"]):
        check_ray_start([f"--{name}" for name in group["rayStartParams"]])
        for container in group["template"]["spec"]["containers"]:
            requests, limits = container["resources"]["requests"], container["resources"]["limits"]
            assert requests == limits, "only whole cores of one's own measure alone"


def test_the_cron_job_runs_what_is_due() -> None:
    job = one("kuberay/nightly.yaml")
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["args"][:2] == ["nightly", "run"]
    check_command(container["args"])
    name = one("kuberay/cluster.yaml")["metadata"]["name"]
    assert f"{name}-head-svc:6379" in container["args"]


def test_images_have_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {
        node["image"]
        for path in MANIFESTS
        for document in documents(path)
        for node in walk(document)
        if isinstance(node, dict) and "image" in node
    }
    assert images == {f"tunefleet:{version}"}


def copied_by(lines: list[str]) -> list[str]:
    return [
        source
        for line in lines
        if line.startswith("COPY") and "--from" not in line
        for source in line.split()[1:-1]
    ]


def test_the_container_file_of_the_server() -> None:
    text = (DEPLOY / "Containerfile.serve").read_text()
    assert all((ROOT / source).exists() for source in copied_by(text.splitlines()))
    for name in re.findall(r"grep '\^([a-z-]+==)'", text):
        assert f"\n{name}" in (ROOT / "requirements.lock").read_text()
    (entry,) = [line for line in text.splitlines() if line.startswith("ENTRYPOINT")]
    program, *words = json.loads(entry.partition(" ")[2])
    assert program == "/opt/tunefleet-host/bin/tunefleet-serve"
    check_serve(words)


def test_the_container_file_copies_what_exists() -> None:
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    copied = copied_by(lines)
    assert all((ROOT / source).exists() for source in copied)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = packages["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {name.rstrip("*") for name in wanted} <= set(copied)
    assert 'ENTRYPOINT ["tunefleet"]' in lines


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units(path: Path) -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(path)
    assert unit.sections() == ["Unit", "Service", "Install"]
    assert unit["Service"]["Restart"] == "always"
    assert unit["Service"]["User"] == "tunefleet"
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    if program == "/opt/tunefleet/bin/tunefleet":
        check_command(words)
    elif program == "/opt/tunefleet-host/bin/tunefleet-serve":
        check_serve(words)
        waits = int(words[words.index("--drain-delay-ms") + 1]) / 1000
        assert int(unit["Service"]["TimeoutStopSec"]) > waits + 30
    else:
        assert program == "/opt/tunefleet/bin/ray"
        assert words[0] == "start"
        check_ray_start(words[1:])


def alerts() -> dict[str, str]:
    return {
        rule["alert"]: rule["expr"]
        for group in one("alerts.yaml")["groups"]
        for rule in group["rules"]
    }


def test_alerts_are_of_metrics_that_exist() -> None:
    for name, expression in alerts().items():
        used = set(re.findall(r"tunefleet_\w+", expression))
        assert used, name
        assert used <= set(METRICS), name


def test_alerts_and_metrics_are_documented() -> None:
    assert set(re.findall(r"^\| `(Tunefleet\w+)`", OPERATIONS, re.MULTILINE)) == set(alerts())
    assert set(re.findall(r"^\| `(tunefleet_\w+)`", OPERATIONS, re.MULTILINE)) == set(METRICS)


def test_commands_of_the_manual_exist() -> None:
    commands = re.findall(r"`(tunefleet (?!metrics` and)[^`]+)`", OPERATIONS.replace("\n", " "))
    assert len(commands) > 10
    for text in commands:
        words = shlex.split(text)[1:]
        if words[0] == "--db":
            words = words[2:]
        check_command(words)


def test_files_of_the_manual_exist() -> None:
    for name in re.findall(r"`(deploy/[\w/.]+)`", OPERATIONS):
        assert (ROOT / name).exists(), name
