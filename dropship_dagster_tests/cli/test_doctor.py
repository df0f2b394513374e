"""`dropship doctor` names what is wrong with this machine, the services and an account, and the fix for each.

The account is a local server: SNOWFLAKE_ACCOUNT and the address are set, so nothing tells it from a real one.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dropship_dagster.cli.doctor import machine as of_machine
from dropship_dagster.cli.doctor.account import account
from dropship_dagster.cli.doctor.finding import Finding
from dropship_dagster.cli.doctor.machine import machine
from dropship_dagster.cli.doctor.services import kafka, local_services
from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint, supervisor
from dropship_dagster.settings import Settings
from dropship_dagster.warehouse import connect, deploy

CANARY = "canary-of-the-doctor"


@pytest.fixture(scope="module")
def deployed(warehouse: WarehouseEndpoint) -> WarehouseEndpoint:
    """A database of these tests' own, as `dropship deploy` leaves it."""
    name = f"DOC{uuid.uuid4().hex[:8].upper()}"
    endpoint = dataclasses.replace(warehouse, database=name, warehouse=f"{name}_WH")
    deploy(endpoint)
    return endpoint


@pytest.fixture
def as_account(deployed: WarehouseEndpoint, settings: Settings) -> Callable[..., Settings]:
    """Settings that name the local server as an account."""

    def make(**changed: Any) -> Settings:
        given = {
            "SNOWFLAKE_ACCOUNT": "org-account",
            "SNOWFLAKE_USER": deployed.connect_args["user"],
            "SNOWFLAKE_PASSWORD": deployed.connect_args["password"],
            "SNOWFLAKE_HOST": deployed.connect_args["host"],
            "SNOWFLAKE_PORT": deployed.connect_args["port"],
            "SNOWFLAKE_PROTOCOL": deployed.connect_args["protocol"],
            "SNOWFLAKE_DATABASE": deployed.database,
            "SNOWFLAKE_WAREHOUSE": deployed.warehouse,
            "DROPSHIP_HOME": settings.home,
        }
        return Settings.load(**{**given, **changed})

    return make


@pytest.fixture
def sql(deployed: WarehouseEndpoint) -> Iterator[Callable[[str], Any]]:
    with connect(deployed) as connection:
        yield lambda statement: connection.cursor().execute(statement).fetchall()


def failures(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings if not finding.ok}


def test_a_deployed_account_is_well_step_by_step(as_account: Callable[..., Settings]) -> None:
    findings = list(account(as_account()))
    assert failures(findings) == {}
    assert [finding.subject for finding in findings] == [
        *("reach", "log-in", "clock", "role", "privileges", "warehouse", "deployment", "streams", "tasks", "objects")
    ]


def test_a_host_that_nobody_answers_at_ends_the_examination_with_the_address(
    as_account: Callable[..., Settings],
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        (finding,) = account(as_account(SNOWFLAKE_PORT=silent.getsockname()[1]))
    assert (finding.subject, finding.ok) == ("reach", False)
    assert "SNOWFLAKE_ACCOUNT" in finding.fix


def test_a_name_that_no_one_knows_says_how_an_account_is_written(as_account: Callable[..., Settings]) -> None:
    (finding,) = account(as_account(SNOWFLAKE_HOST="nowhere.invalid"))
    assert (finding.subject, finding.ok) == ("reach", False)
    assert "organization-account" in finding.fix


def test_a_wrong_password_fails_the_log_in_and_is_not_shown(as_account: Callable[..., Settings]) -> None:
    findings = list(account(as_account(SNOWFLAKE_PASSWORD=CANARY)))
    assert [finding.subject for finding in findings] == ["reach", "log-in"]
    assert "SNOWFLAKE_PASSWORD" in findings[-1].fix
    assert CANARY not in str(findings)


def test_a_key_file_that_is_not_there_is_told_as_that_and_nothing_is_asked(
    as_account: Callable[..., Settings], tmp_path: Path
) -> None:
    (finding,) = account(as_account(SNOWFLAKE_PRIVATE_KEY_PATH=tmp_path / "gone.p8"))
    assert (finding.subject, finding.ok) == ("credential", False)
    assert "gone.p8 cannot be read" in finding.seen


def test_a_home_that_is_a_file_is_a_finding_and_not_the_end(laptop: Settings, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where a folder belongs")
    findings = list(machine(laptop))
    assert "DROPSHIP_HOME" in failures(findings)["folder"].fix
    assert findings[-1].subject == "port", "all the other checks are made"


def test_a_role_that_is_not_granted_is_named_with_the_grant(as_account: Callable[..., Settings]) -> None:
    findings = list(account(as_account(SNOWFLAKE_ROLE="NO_SUCH_ROLE")))
    assert list(failures(findings)) == ["role"]
    assert 'GRANT ROLE "NO_SUCH_ROLE" TO USER' in findings[-1].fix


def test_a_role_without_the_privileges_to_deploy_is_told_each_grant(
    as_account: Callable[..., Settings], sql: Callable[[str], Any], deployed: WarehouseEndpoint
) -> None:
    role = f"{deployed.database}_NEW"
    sql(f"CREATE ROLE {role}")
    sql(f"GRANT ROLE {role} TO USER DROPSHIP")
    sql(f"GRANT CREATE DATABASE ON ACCOUNT TO ROLE {role}")
    wrong = failures(list(account(as_account(SNOWFLAKE_ROLE=role, SNOWFLAKE_DATABASE="NOT_MADE_YET"))))
    assert set(wrong) == {"privileges", "objects"}
    assert "CREATE DATABASE" not in wrong["privileges"].seen
    assert f'GRANT EXECUTE TASK ON ACCOUNT TO ROLE "{role}" WITH GRANT OPTION' in wrong["privileges"].fix
    for privilege in ("CREATE ROLE", "CREATE WAREHOUSE", "EXECUTE TASK", "MANAGE GRANTS"):
        assert f'GRANT {privilege} ON ACCOUNT TO ROLE "{role}"' in wrong["privileges"].fix
    assert "dropship deploy" in wrong["objects"].fix


def test_a_role_that_holds_only_some_of_the_projects_roles_is_told_the_others(
    as_account: Callable[..., Settings], sql: Callable[[str], Any], deployed: WarehouseEndpoint
) -> None:
    role = f"{deployed.database}_SOME"
    sql(f"CREATE ROLE {role}")
    sql(f"GRANT ROLE {role} TO USER DROPSHIP")
    sql(f"GRANT ROLE {deployed.database}_LOADER TO ROLE {role}")
    finding = failures(list(account(as_account(SNOWFLAKE_ROLE=role))))["privileges"]
    assert f"{deployed.database}_LOADER" not in finding.fix
    assert f'GRANT ROLE "{deployed.database}_READER" TO ROLE "{role}"' in finding.fix


def test_a_program_with_one_of_the_projects_roles_needs_no_other(
    as_account: Callable[..., Settings], deployed: WarehouseEndpoint
) -> None:
    findings = list(account(as_account(SNOWFLAKE_ROLE=f"{deployed.database}_LOADER")))
    assert "privileges" not in failures(findings)


def test_a_privilege_that_a_role_of_the_project_lost_is_named_with_its_grant(
    as_account: Callable[..., Settings], sql: Callable[[str], Any], deployed: WarehouseEndpoint
) -> None:
    loader = f"{deployed.database}_LOADER"
    table = f"{deployed.database}.OPS.SCHEMA_MIGRATIONS"
    sql(f"REVOKE SELECT ON TABLE {table} FROM ROLE {loader}")
    for role in (None, loader):
        finding = failures(list(account(as_account(SNOWFLAKE_ROLE=role))))["privileges"]
        assert finding.fix == f'GRANT SELECT ON TABLE {table} TO ROLE "{loader}"'
    sql(finding.fix)
    assert "privileges" not in failures(list(account(as_account())))


def test_a_warehouse_that_is_not_there_is_named(as_account: Callable[..., Settings]) -> None:
    wrong = failures(list(account(as_account(SNOWFLAKE_WAREHOUSE="NO_SUCH_WH"))))
    assert list(wrong) == ["warehouse"]
    assert "NO_SUCH_WH" in wrong["warehouse"].seen
    assert "SNOWFLAKE_WAREHOUSE" in wrong["warehouse"].fix


def test_a_warehouse_that_never_suspends_itself_is_a_finding(
    as_account: Callable[..., Settings], sql: Callable[[str], Any], deployed: WarehouseEndpoint
) -> None:
    sql(f"CREATE WAREHOUSE {deployed.database}_EAGER AUTO_SUSPEND = 0")
    wrong = failures(list(account(as_account(SNOWFLAKE_WAREHOUSE=f"{deployed.database}_EAGER"))))
    assert "SET AUTO_SUSPEND = 60" in wrong["warehouse"].fix


def test_objects_that_somebody_dropped_and_tasks_that_are_suspended_are_named(
    as_account: Callable[..., Settings], sql: Callable[[str], Any]
) -> None:
    sql("ALTER TASK OPS.REFRESH SUSPEND")
    sql("DROP VIEW PROD.V_KPIS")
    sql("UPDATE OPS.SCHEMA_MIGRATIONS SET CHECKSUM = 'another' WHERE FILE = '05_reporting_views.sql'")
    wrong = failures(list(account(as_account())))
    assert set(wrong) == {"objects", "tasks", "deployment"}
    assert "PROD.V_KPIS" in wrong["objects"].seen
    assert "REFRESH" in wrong["tasks"].seen
    assert "SYSTEM$TASK_DEPENDENTS_ENABLE('OPS.REFRESH')" in wrong["tasks"].fix
    sql("SELECT SYSTEM$TASK_DEPENDENTS_ENABLE('OPS.REFRESH')")
    deploy(dataclasses.replace(as_endpoint(as_account())))
    assert failures(list(account(as_account()))) == {}, "the fixes that were named mend it"


def as_endpoint(config: Settings) -> WarehouseEndpoint:
    from dropship_dagster.endpoints import warehouse_endpoint

    return warehouse_endpoint(config)


def test_a_topic_replication_beyond_the_brokers_is_a_finding(kafka_settings: Settings) -> None:
    wrong = failures(list(kafka(kafka_settings)))
    assert "DROPSHIP_TOPIC_REPLICATION to 1" in wrong["topics"].fix


@pytest.fixture
def kafka_settings(kafka: KafkaEndpoint) -> Settings:
    return Settings.load(KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers, DROPSHIP_TOPIC_REPLICATION=3)


def test_brokers_that_do_not_answer_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropship_dagster.cli.doctor.services._KAFKA_SECONDS", 1.0)
    (finding,) = kafka(Settings.load(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9"))
    assert not finding.ok
    assert "127.0.0.1:9" in finding.seen
    assert "KAFKA_BOOTSTRAP_SERVERS" in finding.fix


def test_a_local_service_of_another_version_is_to_be_started_again(settings: Settings, kafka: KafkaEndpoint) -> None:
    state = supervisor(settings).data_dir("kafka") / "service.json"
    text = state.read_text()
    try:
        state.write_text(json.dumps({**json.loads(text), "version": "0.0.1"}))
        assert "dropship services down" in failures(list(local_services(settings)))["service"].fix
    finally:
        state.write_text(text)
    assert failures(list(local_services(settings))) == {}


@pytest.fixture
def laptop(tmp_path: Path) -> Settings:
    return Settings.load(DROPSHIP_HOME=tmp_path / "home", DROPSHIP_DAGSTER_PORT=30_123)


def test_secrets_that_others_may_read_are_a_finding(
    laptop: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env, key = tmp_path / "settings.env", tmp_path / "rsa_key.p8"
    env.write_text("SNOWFLAKE_ACCOUNT=org-account\nSNOWFLAKE_USER=loader\nSNOWFLAKE_PASSWORD=secret\n")
    key.write_text("a key")
    env.chmod(0o644)
    key.chmod(0o600)
    monkeypatch.setenv("DROPSHIP_ENV_FILE", str(env))
    config = laptop.model_copy(update={"snowflake_private_key_path": key})
    secrets = [finding for finding in machine(config) if finding.subject == "secrets"]
    assert [finding.ok for finding in secrets] == [False, True]
    assert secrets[0].fix == f"chmod 600 {env}"
    (missing,) = [
        finding
        for finding in machine(laptop.model_copy(update={"snowflake_private_key_path": tmp_path / "gone"}))
        if finding.subject == "secrets" and not finding.ok and "gone" in finding.seen
    ]
    assert "SNOWFLAKE_PRIVATE_KEY_PATH" in missing.fix


def test_a_package_that_is_not_the_locked_one_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "typer==0.0.1 \\\n    --hash=sha256:0\nno-such-package==1.0\nonly-there==1 ; sys_platform == 'win32'\n"
    )
    finding = of_machine._packages(lock)
    assert not finding.ok
    assert "(lock: 0.0.1)" in finding.seen
    assert "no-such-package missing" in finding.seen
    assert "only-there" not in finding.seen


def test_a_port_that_is_taken_and_a_folder_that_cannot_be_are_named(laptop: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = laptop.model_copy(update={"dagster_port": port, "data_dir": tmp_path / "file" / "data"})
        wrong = failures(list(machine(config)))
    assert "DROPSHIP_DAGSTER_PORT" in wrong["port"].fix
    assert "DROPSHIP_DATA_DIR" in wrong["folder"].fix


@pytest.mark.parametrize(("password", "code"), [(None, 0), (CANARY, 1)])
def test_the_command_ends_with_0_or_1_and_prints_json_without_a_secret(
    as_account: Callable[..., Settings],
    kafka: KafkaEndpoint,
    deployed: WarehouseEndpoint,
    password: str | None,
    code: int,
) -> None:
    config = as_account()
    given = password or str(deployed.connect_args["password"])
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "DROPSHIP_HOME": str(config.home),
        "DROPSHIP_DAGSTER_PORT": "30124",
        "DROPSHIP_DASHBOARD_PORT": "30125",
        "SNOWFLAKE_ACCOUNT": config.snowflake_account,
        "SNOWFLAKE_USER": str(config.snowflake_user),
        "SNOWFLAKE_PASSWORD": given,
        "SNOWFLAKE_HOST": str(config.snowflake_host),
        "SNOWFLAKE_PORT": str(config.snowflake_port),
        "SNOWFLAKE_PROTOCOL": str(config.snowflake_protocol),
        "SNOWFLAKE_DATABASE": config.snowflake_database,
        "SNOWFLAKE_WAREHOUSE": config.snowflake_warehouse,
    }
    command = [sys.executable, "-m", "dropship_dagster.cli", "doctor", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    document = json.loads(done.stdout)
    assert (done.returncode, document["ok"]) == (code, code == 0), document
    assert given not in done.stdout + done.stderr
    assert {"Python", "packages", "disk", "Kafka", "reach", "log-in"} <= {
        finding["subject"] for finding in document["findings"]
    }
