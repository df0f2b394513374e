"""docker-compose.yml and the Dockerfile hold what a careful operator looks for, without an engine to try them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from dropship_dagster.settings import PROJECT_ROOT, Settings
from dropship_dagster_tests.deploy import composefile

HERE = Path(__file__).parent
DOCKERFILE = (PROJECT_ROOT / "Dockerfile").read_text()
GIVEN = {
    "DAGSTER_POSTGRES_PASSWORD": "a",
    "SNOWFLAKE_ACCOUNT": "org-account",
    "SNOWFLAKE_USER": "loader",
    "SNOWFLAKE_PASSWORD": "b",
}
DOCUMENT = composefile.read(GIVEN)
SERVICES = DOCUMENT["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
LAUNCHER = yaml.safe_load((PROJECT_ROOT / "deploy/dagster.yaml").read_text())["run_launcher"]["config"]

every_service = pytest.mark.parametrize("name", SERVICES)


def test_the_compose_file_follows_the_specification() -> None:
    schema = json.loads((HERE / "compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(DOCUMENT)
    broken = {**DOCUMENT, "services": {"x": {"image": "x", "healthchek": {}}}}
    assert not jsonschema.Draft7Validator(schema).is_valid(broken)


def test_docker_itself_accepts_the_compose_file() -> None:
    if not shutil.which("docker") or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker has no compose plugin here")
    done = subprocess.run(
        ["docker", "compose", "--profile", "*", "config", "--quiet"],
        cwd=PROJECT_ROOT, env={"PATH": "/usr/bin:/bin:/usr/local/bin", **GIVEN}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@every_service
def test_a_service_is_pinned_limited_unprivileged_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(-\w+)?|postgres:\d+\.\d+-bookworm", service["image"])
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), "a number, and not root"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["cpus"]
    assert service["pids_limit"]
    assert service["networks"] == ["dropship"]
    assert service["logging"]["options"]["max-size"]
    assert service.get("read_only") or name == "redpanda"
    assert "privileged" not in service
    if name != "init":
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
        assert service["restart"] == "unless-stopped"


@every_service
def test_a_service_waits_until_those_it_needs_are_healthy_or_done(name: str) -> None:
    for on, how in SERVICES[name].get("depends_on", {}).items():
        assert how["condition"] == ("service_completed_successfully" if on == "init" else "service_healthy")
        assert on == "init" or "healthcheck" in SERVICES[on]


@every_service
def test_published_ports_are_on_this_machine_alone(name: str) -> None:
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_the_local_profile_has_the_local_warehouse_and_the_other_has_not() -> None:
    local, account = composefile.services(DOCUMENT, "local"), composefile.services(DOCUMENT, "snowflake")
    assert set(local) - set(account) == {"warehouse"}
    assert set(account) == {
        "redpanda", "console", "postgres", "init", "code", "webserver", "daemon", "consumer", "dashboard"
    }  # fmt: skip
    assert list(local).index("warehouse") < list(local).index("init") < list(local).index("code")


@pytest.mark.parametrize("name", sorted(GIVEN.keys() - {"SNOWFLAKE_PASSWORD"}))
def test_without_a_setting_that_has_no_default_nothing_starts_and_it_is_named(name: str) -> None:
    with pytest.raises(composefile.MissingVariableError, match=name):
        composefile.read({**GIVEN, name: ""})


def test_every_variable_is_described_in_the_example_of_the_settings() -> None:
    asked = composefile.variables(composefile.COMPOSE_FILE.read_text())
    described = set(re.findall(r"^#? ?([A-Z_]+)=", (PROJECT_ROOT / ".env.example").read_text(), re.MULTILINE))
    assert asked <= described


def test_a_run_gets_the_environment_of_the_daemon_and_runs_as_confined() -> None:
    """DockerRunLauncher fails on a name that the daemon lacks, and a name that is missing here is a setting lost."""
    app = SERVICES["daemon"]
    assert set(LAUNCHER["env_vars"]) == set(app["environment"])
    assert len(LAUNCHER["env_vars"]) == len(app["environment"])
    kwargs = LAUNCHER["container_kwargs"]
    for key in ("user", "init", "read_only", "security_opt", "cap_drop", "pids_limit", "mem_limit"):
        assert kwargs[key] == app[key], key
    assert kwargs["auto_remove"] is True
    assert LAUNCHER["network"] == DOCUMENT["networks"]["dropship"]["name"]
    assert kwargs["volumes"] == [f"{DOCUMENT['volumes']['home']['name']}:/var/lib/dropship"]
    assert f"--container-image={app['image']}" in SERVICES["code"]["command"]


def test_settings_of_containers_are_settings_of_the_platform() -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    own = {name for name in OURS["code"]["environment"] if name.startswith(("DROPSHIP_", "SNOWFLAKE_"))}
    assert own - known == {"DROPSHIP_ALERT_WEBHOOK", "DROPSHIP_DAGSTER_URL"}, "those two are Dagster's alone"


def test_each_setting_of_the_platform_reaches_the_containers() -> None:
    aliases = {str(field.validation_alias) for field in Settings.model_fields.values() if field.validation_alias}
    given = {name for service in OURS.values() for name in service["environment"]}
    in_the_image = set(re.findall(r"(DROPSHIP_\w+)=", DOCKERFILE))
    one_broker, the_key_itself = "DROPSHIP_TOPIC_REPLICATION", "SNOWFLAKE_PRIVATE_KEY_PATH"
    assert aliases - given - in_the_image == {one_broker, the_key_itself}


def test_the_dashboard_gets_each_of_its_settings_and_no_other_service_does() -> None:
    known = {
        str(field.validation_alias) for name, field in Settings.model_fields.items() if name.startswith("dashboard_")
    }
    own = known - {"DROPSHIP_DASHBOARD_PORT"}  # the port on this machine; inside it is always the same
    assert own == OURS["dashboard"]["environment"].keys() - OURS["code"]["environment"].keys()
    given = dict.fromkeys(own, "17")
    passed_on = composefile.read({**GIVEN, **given})["services"]["dashboard"]["environment"]
    assert {name: passed_on[name] for name in own} == given


def test_hadolint_has_nothing_to_say_about_the_dockerfile() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("hadolint is locked for Linux only")
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, PROJECT_ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_dockerfile_pins_its_base_installs_from_the_lock_and_drops_root() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.1[1-3]\.\d+-slim-\w+", bases[0])
    assert "--no-deps --require-hashes" in DOCKERFILE
    assert not re.search(r"^ADD |latest|curl|wget|apt-get|sudo|index", DOCKERFILE, re.MULTILINE)
    last_user = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1]
    assert last_user == OURS["code"]["user"]
    assert re.search(rf"useradd --uid {last_user.partition(':')[0]} ", DOCKERFILE)


def test_what_the_dockerfile_copies_reaches_the_engine_and_secrets_do_not() -> None:
    allowed = re.findall(r"^!(\S+)", (PROJECT_ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert (PROJECT_ROOT / ".dockerignore").read_text().startswith("*\n")
    copied = [
        word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    ]
    assert set(copied) == set(allowed)
    assert all((PROJECT_ROOT / name).exists() for name in copied)
    assert not any(name.startswith(".env") for name in allowed)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """deploy/compose.sh in a checkout of its own, and a docker that writes down what it was asked."""
    shutil.copytree(PROJECT_ROOT / "deploy", tmp_path / "deploy")
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    docker.chmod(0o755)
    return tmp_path


def asked(checkout: Path, *arguments: str, **environment: str) -> list[str]:
    done = subprocess.run(
        ["sh", "deploy/compose.sh", *arguments],
        cwd=checkout, env={"PATH": f"{checkout}:/usr/bin:/bin", **environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def env_files(arguments: list[str], checkout: Path) -> dict[str, str]:
    """What Compose would read: the later file wins."""
    found: dict[str, str] = {}
    for position, argument in enumerate(arguments):
        if argument == "--env-file":
            found |= dict(re.findall(r"^(\w+)=(.*)$", (checkout / arguments[position + 1]).read_text(), re.MULTILINE))
    return found


def test_without_an_account_the_local_warehouse_is_chosen_and_passwords_are_made_up_once(checkout: Path) -> None:
    (checkout / ".env").write_text("SNOWFLAKE_ACCOUNT=\n")
    first = asked(checkout, "up", "--detach")
    assert first[0] == "compose"
    assert first[-2:] == ["up", "--detach"]
    given = env_files(first, checkout)
    assert (given["COMPOSE_PROFILES"], given["SNOWFLAKE_ACCOUNT"]) == ("local", "embedded")
    assert len(given["SNOWFLAKE_PASSWORD"]) == len(given["DAGSTER_POSTGRES_PASSWORD"]) == 48
    assert given["SNOWFLAKE_PASSWORD"] != given["DAGSTER_POSTGRES_PASSWORD"]
    assert (checkout / ".dropship/docker.env").stat().st_mode & 0o777 == 0o600
    assert env_files(asked(checkout, "up"), checkout) == given
    composefile.read(given)


@pytest.mark.parametrize("where", ["environment", "file"])
def test_with_an_account_the_profile_is_snowflake_and_the_settings_are_those_given(checkout: Path, where: str) -> None:
    given = {**GIVEN, "DAGSTER_POSTGRES_PASSWORD": "mine"}
    if where == "file":
        (checkout / ".env").write_text("".join(f'{name}="{value}"\n' for name, value in given.items()))
        arguments = asked(checkout, "up")
    else:
        arguments = asked(checkout, "up", **given)
    assert arguments[-3:] == ["--profile", "snowflake", "up"]
    assert "deploy/local.env" not in arguments
    assert not (checkout / ".dropship/docker.env").exists()


def test_dagster_reads_the_launchers_configuration() -> None:
    from dagster._core.launcher.base import RunLauncher
    from dagster_docker import DockerRunLauncher

    launcher: Any = DockerRunLauncher(**LAUNCHER)
    assert isinstance(launcher, RunLauncher)
    assert launcher.networks == ["dropship"]
