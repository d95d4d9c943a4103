"""What is shipped: wheel and sdist hold everything, and the files in `ops` name only what there is."""

import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling import build

import bridged
from bridged.cli import cli
from bridged.cli.demonstration import FAREWELL, reachable
from bridged.core import settings
from bridged.core.jobs import GRACE
from unit.tree import ROOT, SOURCES, kept_files, project

OPS = ROOT / "ops"
DRAIN = 20
"""Seconds within which a process that is told to end has ended."""
Command = tuple[str, ...]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        build.build_wheel(str(folder))
        build.build_sdist(str(folder))
    return folder


def shipped() -> set[str]:
    return {path.relative_to(ROOT / "src").as_posix() for path in kept_files() if path.is_relative_to(SOURCES)}


def test_the_wheel_holds_every_file_of_the_package(built: Path) -> None:
    with zipfile.ZipFile(built / f"bridged-{bridged.__version__}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
        (points,) = [name for name in names if name.endswith("entry_points.txt")]
        (metadata,) = [name for name in names if name.endswith("METADATA")]
        assert "bridged = bridged.cli:main" in wheel.read(points).decode()
        needed = wheel.read(metadata).decode()
    assert {name for name in names if name.startswith("bridged/")} == shipped()
    for folder, least in (("migrations/", 25), ("web/templates/", 60), ("web/static/", 8)):
        assert sum(name.startswith(f"bridged/{folder}") for name in names) >= least, folder
    assert all(
        f"Requires-Dist: {re.split('[<>=;[]', each)[0]}" in needed for each in project()["project"]["dependencies"]
    )


def test_the_sdist_builds_and_tests_the_same(built: Path) -> None:
    root = f"bridged-{bridged.__version__}"
    with tarfile.open(built / f"{root}.tar.gz") as archive:
        names = {name.removeprefix(f"{root}/") for name in archive.getnames()}
    kept = {path.relative_to(ROOT).as_posix() for path in kept_files()}
    assert kept <= names
    assert names - kept == {"PKG-INFO"}


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def compose() -> dict[str, Any]:
    (found,) = documents(OPS / "compose.yaml")
    return found


def services() -> dict[str, Any]:
    """Of compose: those that run Bridged."""
    return {name: each for name, each in compose()["services"].items() if name != "database"}


def manifests() -> list[Any]:
    return [each for path in sorted((OPS / "kubernetes").glob("*.yaml")) for each in documents(path)]


def templated() -> list[Any]:
    return [each for each in manifests() if "template" in each.get("spec", {})]


def pods() -> dict[str, Any]:
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in manifests()
        if "template" in each.get("spec", {})
    }


def units() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((OPS / "systemd").glob("*.service"))}


def containerfile() -> str:
    return (OPS / "Containerfile").read_text(encoding="utf-8")


def commands() -> Iterator[tuple[str, Command]]:
    """Where Bridged is called, and with which words."""
    (entry, default) = re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])", containerfile(), flags=re.MULTILINE)
    assert entry == '["bridged"]'
    yield "Containerfile", tuple(yaml.safe_load(default))
    for name, each in services().items():
        yield f"compose {name}", tuple(each["command"])
    for name, pod in pods().items():
        (container,) = pod["containers"]
        yield f"kubernetes {name}", tuple(container["args"])
    for name, text in units().items():
        (line,) = re.findall(r"^ExecStart=.*?/bridged/bin/bridged (.*?)'?$", text, flags=re.MULTILINE)
        yield name, tuple(shlex.split(line))


def test_every_command_is_one() -> None:
    found = dict(commands())
    assert {each[0] for each in found.values()} == {"serve", "worker", "migrate", "backup"}
    for where, words in found.items():
        command, bound, _ = cli.parse_args(list(words), exit_on_error=False, print_error=False)
        assert command.__name__ == words[0], where
        if words[0] == "serve" and where != "bridged.service" and "web" in where:
            assert bound.arguments["worker"] is False, where


def test_every_setting_is_one() -> None:
    named = {
        (path.name, name)
        for path in sorted(OPS.rglob("*"))
        if path.is_file()
        for name in re.findall(r"\bBRIDGED_[A-Z_]+", path.read_text(encoding="utf-8"))
    }
    assert {name for _, name in named} > {"BRIDGED_HOME", "BRIDGED_DATABASE_URL_FILE", "BRIDGED_MASTER_KEY_FILE"}
    assert not [each for each in named if each[1] not in {*settings.KNOWN, *settings._FILES}]
    (values,) = [each["data"] for each in manifests() if each["kind"] == "ConfigMap"]
    for environ in (values, *(each["environment"] for each in services().values())):
        readable = {name: value for name, value in environ.items() if not name.endswith("_FILE") and "$" not in value}
        settings.read(readable)


def test_secrets_are_where_the_settings_look_for_them() -> None:
    held = compose()["secrets"]
    for each in services().values():
        files = {value for name, value in each["environment"].items() if name.endswith("_FILE")}
        assert files == {f"/run/secrets/{name}" for name in each["secrets"]}
        assert set(each["secrets"]) <= set(held)
    (values,) = [each["data"] for each in manifests() if each["kind"] == "ConfigMap"]
    files = {Path(value) for name, value in values.items() if name.endswith("_FILE")}
    for pod in pods().values():
        (container,) = pod["containers"]
        (mount,) = [each for each in container["volumeMounts"] if each["name"] == "secrets"]
        assert {path.parent for path in files} == {Path(mount["mountPath"])}
        assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}


def test_nothing_runs_as_root_or_writes_to_its_root() -> None:
    (user,) = re.findall(r"^USER (\d+)$", containerfile(), flags=re.MULTILINE)
    assert int(user) > 0
    assert all(each["read_only"] and each["cap_drop"] == ["ALL"] for each in services().values())
    for pod in pods().values():
        (container,) = pod["containers"]
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, int(user))
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert all("\nUser=bridged\n" in each and "\nProtectSystem=strict\n" in each for each in units().values())


def test_a_service_puts_no_variables_into_pods() -> None:
    """Those of a Service named `bridged` begin with BRIDGED_, and an unknown setting ends the process."""
    assert {name for name, pod in pods().items() if pod["enableServiceLinks"] is not False} == set()


def test_an_eviction_leaves_one() -> None:
    kept = {each["metadata"]["name"]: each["spec"] for each in manifests() if each["kind"] == "PodDisruptionBudget"}
    deployed = {each["metadata"]["name"]: each["spec"] for each in templated() if each["kind"] == "Deployment"}
    assert kept.keys() == deployed.keys()
    for name, spec in deployed.items():
        assert kept[name]["minAvailable"] < spec["replicas"]
        assert kept[name]["selector"] == spec["selector"]


def test_probes_ask_what_is_served_where_it_listens() -> None:
    served = set(re.findall(r'Route\("(/\w+z)"', (SOURCES / "web" / "app.py").read_text(encoding="utf-8")))
    (container,) = pods()["bridged-web"]["containers"]
    probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    assert {each["path"] for each in probes} <= served
    (port,) = container["ports"]
    assert {each["port"] for each in probes} == {port["name"]}
    (asked, path) = re.findall(r"127\.0\.0\.1:(\d+)(/\w+)", containerfile())[0]
    assert path in served
    (exposed,) = re.findall(r"^EXPOSE (\d+)$", containerfile(), flags=re.MULTILINE)
    _, bound, _ = cli.parse_args(["serve"], exit_on_error=False, print_error=False)
    default = bound.signature.parameters["port"].default
    assert {int(asked), int(exposed), port["containerPort"]} == {default}
    assert services()["web"]["ports"] == [f"127.0.0.1:{default}:{default}"]


def test_the_link_of_a_container_can_be_opened() -> None:
    for listening in ("http://0.0.0.0:8080/", "http://:::8080/", "http://localhost:8080/"):
        assert reachable(listening) == "http://localhost:8080/"
    assert reachable("http://127.0.0.1:8080/") == "http://127.0.0.1:8080/"


def test_services_lead_to_pods() -> None:
    labels = [
        each["spec"]["template"]["metadata"]["labels"] for each in manifests() if "template" in each.get("spec", {})
    ]
    for each in manifests():
        chosen = each.get("spec", {}).get("selector")
        if chosen is not None:
            assert chosen.get("matchLabels", chosen) in labels, each["metadata"]["name"]


def test_a_process_has_time_to_end() -> None:
    """Jobs first, then requests, then the database; whoever would kill it waits longer than that."""
    assert GRACE + FAREWELL < DRAIN
    waits = [int(each["stop_grace_period"].removesuffix("s")) for each in services().values()]
    waits += [
        int(found)
        for each in units().values()
        for found in re.findall(r"^TimeoutStopSec=(\d+)$", each, flags=re.MULTILINE)
    ]
    for name in ("bridged-web", "bridged-worker"):
        (container,) = pods()[name]["containers"]
        before = int(container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [0, 0])[1])
        waits.append(pods()[name]["terminationGracePeriodSeconds"] - before)
    assert len(waits) == 3 + 3 + 2
    assert min(waits) > DRAIN


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for path in (OPS / "systemd").iterdir():
        here = path.read_text(encoding="utf-8").replace(
            "/srv/bridged/bin/bridged",
            f'"{Path(sys.executable).with_name("bridged")}"',  # it may have spaces
        )
        (tmp_path / path.name).write_text(here, encoding="utf-8")
    assert (tmp_path / "bridged-backup.timer").exists()
    analyze = shutil.which("systemd-analyze")
    if analyze is not None:
        names = [str(each).replace("@.", "@1.") for each in sorted(tmp_path.iterdir())]
        done = subprocess.run([analyze, "verify", "--man=no", *names], capture_output=True, text=True, check=False)
        assert not [line for line in done.stderr.splitlines() if "bridged" in line]
