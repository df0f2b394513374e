"""Every service of docker-compose.yml, run as its container would, in the order that Compose keeps.

Left out because only an engine can run them: Redpanda (the local broker stands in), its Console, and what the
kernel enforces.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dropship_dagster_tests.deploy import composefile
from dropship_dagster_tests.deploy.engine import Engine
from dropship_dagster_tests.deploy.image import ENTRYPOINT, USER, Image
from dropship_dagster_tests.deploy.postgres import Postgres
from local_service.service import read_state
from local_service_tests.free_ports import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE = 240.0
PASSWORD = "canary-of-the-containers"
GIVEN = {
    **dict(re.findall(r"^(\w+)=(.*)$", (composefile.PROJECT_ROOT / "deploy/local.env").read_text(), re.MULTILINE)),
    "DAGSTER_POSTGRES_PASSWORD": PASSWORD,
    "SNOWFLAKE_PASSWORD": PASSWORD,
    "DROPSHIP_CUSTOMERS": "40",
    "DROPSHIP_PRODUCTS": "20",
    "DROPSHIP_ORDERS": "60",
}
(SERVER,) = yaml.safe_load((composefile.PROJECT_ROOT / "deploy/workspace.yaml").read_text())["load_from"]
LOCATION = SERVER["grpc_server"]["location_name"]
LISTENING = {"warehouse": 8085, "code": 4000, "webserver": 3000, "consumer": 9108, "dashboard": 8501}


class Platform:
    """The services of the local profile, started one after the other."""

    def __init__(self, folder: Path) -> None:
        self.logs = folder
        kafka, postgres, *ports = free_ports(2 + len(LISTENING))
        self.ports = dict(zip(LISTENING, ports, strict=True))
        names = {
            "redpanda:9092": f"127.0.0.1:{kafka}",
            "host: code, port: 4000": f"host: 127.0.0.1, port: {self.ports['code']}",
            "port: 5432": f"port: {postgres}",
        }
        # A port stands alone as a word, behind --port=, in a URL or in a variable.
        names |= {str(number): str(self.ports[name]) for name, number in LISTENING.items()}
        self.image = Image(names)
        self.services = composefile.services(composefile.read(GIVEN), "local")
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.engine = Engine(self.image, self.services["code"]["image"], "dropship", self.logs / "runs.log")
        self._kafka, self._postgres = kafka, postgres
        self.database: Postgres | None = None

    def up(self) -> None:
        """Start everything as Compose does: what a service depends on first, and healthy."""
        for name in self.services:
            if name == "redpanda":
                broker = [
                    "local_kafka",
                    "--port",
                    str(self._kafka),
                    "--data-dir",
                    "/var/lib/dropship/broker",
                ]
                self.running[name] = self.image.start(broker, {}, self.logs / "redpanda.log")
                data = self.image.volumes / "dropship/broker"
                self._wait(name, lambda data=data: read_state(data).get("port") == self._kafka)
            elif name == "postgres":
                self.database = Postgres(self.image.root / "postgres", self._postgres, PASSWORD)
                self._wait(name, lambda: self.healthy("postgres"))
            elif name == "init":
                for _ in range(2):
                    assert self.start(name).wait(PATIENCE) == 0, self.log(name)
            elif name != "console":
                self.running[name] = self.start(name)
                self._wait(name, lambda name=name: self.healthy(name))

    def start(self, name: str) -> subprocess.Popen[bytes]:
        service = self.services[name]
        return self.image.start(
            service["command"], self.environment(name), self.logs / f"{name}.log",
            entrypoint=service.get("entrypoint", ENTRYPOINT),
        )  # fmt: skip

    def environment(self, name: str) -> dict[str, str]:
        """A service's, with the name of the warehouse's container and the engine's socket put in."""
        given = {key: str(value) for key, value in self.services[name]["environment"].items()}
        for key in ("SNOWFLAKE_HOST", "DAGSTER_POSTGRES_HOST"):
            if key in given:
                given[key] = "127.0.0.1"
        if any("docker.sock" in volume for volume in self.services[name].get("volumes", [])):
            given["DOCKER_HOST"] = f"unix://{self.engine.socket}"
        return given

    def healthy(self, name: str) -> bool:
        """Whether the service's own health check says so now."""
        kind, *test = self.services[name]["healthcheck"]["test"]
        words = [f"{test[0]} -p {self._postgres}"] if name == "postgres" else test
        command = ["sh", "-c", *words] if kind == "CMD-SHELL" else words
        with (self.logs / f"{name}.health.log").open("ab") as log:
            process = self.image.start(command, self.environment(name), Path(log.name), entrypoint=[])
            return process.wait(60) == 0

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text(errors="replace")[-4000:]

    def down(self) -> None:
        self.engine.close()
        self.image.stop()
        if self.database:
            self.database.stop()
        self.image.remove()

    def _wait(self, name: str, ready: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if name in self.running:
                assert self.running[name].poll() is None, f"{name} ended:\n{self.log(name)}"
            assert time.monotonic() < deadline, f"{name} is not healthy:\n{self.log(name)}"
            time.sleep(0.5)

    def ask(self, query: str, **variables: Any) -> Any:
        """Dagster's GraphQL."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports['webserver']}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            document = json.load(answer)
        assert "errors" not in document, document
        return document["data"]

    def run(self, job: str) -> str:
        """Run a job through the webserver, the daemon's queue and the launcher; its last status."""
        launched = self.ask(
            """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
                 __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }""",
            params={
                "selector": {"jobName": job, "repositoryName": "__repository__", "repositoryLocationName": LOCATION},
                "runConfigData": {},
            },
        )["launchPipelineExecution"]  # fmt: skip
        assert launched["__typename"] == "LaunchRunSuccess", launched
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            status = self.ask(
                "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }", id=launched["run"]["runId"]
            )["runOrError"]["status"]
            if status in {"SUCCESS", "FAILURE", "CANCELED"}:
                return str(status)
            time.sleep(0.5)
        raise AssertionError(f"{job} does not end:\n{self.log('runs')}\n{self.log('daemon')}")

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Through the image's own command."""
        log = self.logs / "sql.log"
        log.unlink(missing_ok=True)
        done = self.image.start(["dropship_dagster.cli", "sql", "--json", statement], self.environment("consumer"), log)
        assert done.wait(120) == 0, log.read_text()
        rows: list[dict[str, Any]] = json.loads(log.read_text())
        return rows


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    started = Platform(tmp_path_factory.mktemp("containers"))
    try:
        started.up()
        yield started
    finally:
        started.down()


def test_the_services_come_up_in_order_and_a_run_in_a_container_of_its_own_reaches_the_dashboard(
    platform: Platform,
) -> None:
    """`up` has shown: every health check passes, and init done twice is harmless."""
    for job in ("generate_seeds", "replay_seeds"):
        assert platform.run(job) == "SUCCESS", platform.log("runs")
    requests = [container.request for container in platform.engine.containers.values()]
    assert len(requests) >= 2
    for request in requests:
        assert request["HostConfig"]["AutoRemove"] is True
        assert request["HostConfig"]["ReadonlyRootfs"] is True
        assert request["User"] == f"{USER}:{USER}"
        assert request["Labels"]["dagster/job_name"]

    # The consumer loads what the run sent, without a run of Dagster's; the local warehouse's own task merges it.
    deadline = time.monotonic() + PATIENCE
    orders = 0
    while orders != 60 and time.monotonic() < deadline:
        orders = platform.sql("SELECT COUNT(*) AS N FROM PROD.ORDERS")[0]["N"]
    assert orders == 60
    assert platform.running["consumer"].poll() is None, platform.log("consumer")
    with urllib.request.urlopen(f"http://127.0.0.1:{platform.ports['consumer']}/metrics", timeout=10) as answer:
        assert b"dropship_loaded_events_total" in answer.read()
    heartbeats = platform.ask("{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }")
    daemons = heartbeats["instance"]["daemonHealth"]["allDaemonStatuses"]
    assert all(daemon["healthy"] for daemon in daemons if daemon["required"]), daemons
    for name in platform.running:
        if "healthcheck" in platform.services[name] and name != "redpanda":
            assert platform.healthy(name), platform.log(name)


def test_nothing_is_written_into_the_image_and_no_password_into_a_log(platform: Platform) -> None:
    written = [path for path in platform.image.app.rglob("*") if path.stat().st_uid == USER]
    assert written == []
    for log in platform.logs.glob("*.log"):
        assert PASSWORD not in log.read_text(errors="replace"), log.name
