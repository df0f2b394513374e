"""Three followers, a producer and overlapping requests for runs of the graph, under kills, for minutes; all is right.

    DROPSHIP_TEST_SOAK_SECONDS=600 python -m pytest -m slow -s dropship_dagster_tests/warehouse/test_three_consumers.py

prints what happened: events, kills, runs of the graph, memory, what verify says.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector import errors as snowflake_errors

from dropship_dagster import warehouse
from dropship_dagster.endpoints import warehouse_endpoint
from dropship_dagster.errors import DropshipError
from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster.supervisor import OPTIONS, Supervisor
from dropship_dagster.warehouse import TABLE_OF_TASK
from dropship_dagster_tests.cli.platform import COMMAND, Platform, resident_mb
from dropship_dagster_tests.warehouse.pipeline import wait_until
from local_service_tests.free_ports import free_ports

SECONDS = float(os.environ.get("DROPSHIP_TEST_SOAK_SECONDS", "120"))
RATE = 500
ASK_EVERY_SECONDS = 0.25
PAUSE_SECONDS = 2.0, 6.0
"""Between two kills, at least and at most, beside the time until something is loaded."""
AT_LEAST_KILLS = 8
"""So many are done even if the machine needs longer for them."""
HANGS_AFTER = 600.0
"""Seconds after which a step that makes no progress is taken to hang."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(int(SECONDS) + 3600)]


class Home(Platform):
    """A deployed shop whose warehouse is killed and comes again on the same port."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, DROPSHIP_CUSTOMERS="300", DROPSHIP_PRODUCTS="60", DROPSHIP_ORDERS="1000")
        self.supervisor = Supervisor(self.home)
        self.endpoint = warehouse_endpoint(self._with_port())

    def _with_port(self) -> Any:
        """The settings, once the warehouse runs on a port that no outgoing connection can take while it is down."""
        folder = self.supervisor.data_dir("snowflake")
        command = (COMMAND[0], "-m", "local_snowflake", "--data-dir", str(folder), *OPTIONS["snowflake"])
        self.root.joinpath("server.txt").touch()
        with self.root.joinpath("server.txt").open("wb") as log:
            self.first_server = subprocess.Popen(
                [*command, "--port", str(free_ports(1)[0])], stdout=log, stderr=log, cwd=PROJECT_ROOT
            )
        wait_until(lambda: self.supervisor.status()["snowflake"]["running"], "the warehouse serves", HANGS_AFTER)
        return self.settings

    def kill_warehouse(self) -> None:
        """SIGKILL, and start it again."""
        old = self.supervisor.ensure("snowflake")
        os.kill(old["pid"], signal.SIGKILL)
        if old["pid"] == self.first_server.pid:
            assert self.first_server.wait(60) == -signal.SIGKILL
        new = wait_until(lambda: self._started_after(old["pid"]), "the warehouse comes again", HANGS_AFTER)
        assert new["port"] == old["port"]

    def _started_after(self, pid: int) -> dict[str, Any] | None:
        new = self.supervisor.ensure("snowflake")
        return new if new["pid"] != pid else None

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query, however often the warehouse is killed meanwhile."""
        while True:
            try:
                with warehouse.connect(self.endpoint) as connection:
                    return [tuple(row) for row in connection.cursor().execute(sql).fetchall()]
            except snowflake_errors.ProgrammingError:
                raise
            except (DropshipError, snowflake_errors.Error, OSError):
                time.sleep(0.1)

    def value(self, sql: str) -> Any:
        return self.ask(sql)[0][0]

    def succeed(self, *arguments: str) -> str:
        """Run a command, which must exit 0; what it printed."""
        done = self.run(*arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Run a command beside others; its output is added to a file of that name."""
        with (self.root / f"{name}.txt").open("ab") as file:
            return subprocess.Popen([*COMMAND, *arguments], env=self.env, cwd=PROJECT_ROOT, stdout=file, stderr=file)

    def logs(self) -> dict[str, str]:
        """What every program and service wrote."""
        return {
            path.name: path.read_text(errors="replace")
            for path in (*self.root.glob("*.txt"), *(self.home / "logs").glob("*.log"))
        }


class Consumers:
    """Three followers, each with a share of its own or all in one group."""

    def __init__(self, home: Home, shares: list[str]) -> None:
        self.home, self.shares = home, shares
        self.running = [self._start(number) for number in range(len(shares))]

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        share = self.shares[number]
        return self.home.start(f"consumer{number}", "consume", "--follow", "--share", share)

    def kill(self, number: int) -> None:
        """SIGKILL one, and start it again."""
        self.running[number].kill()
        assert self.running[number].wait() == -signal.SIGKILL, "it had ended by itself"
        self.running[number] = self._start(number)

    def stop(self) -> None:
        """Ask all to end; each exits 0."""
        assert [each.poll() for each in self.running] == [None] * len(self.running), self.home.logs()
        for each in self.running:
            each.terminate()
        assert [each.wait(HANGS_AFTER) for each in self.running] == [0] * len(self.running), self.home.logs()

    def clean_up(self) -> None:
        for each in self.running:
            each.kill()
            each.wait()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with ExitStack() as stack:
        home = Home(tmp_path)
        stack.callback(home.first_server.wait)
        stack.callback(home.clean_up)
        yield home


@pytest.mark.parametrize("shares", [["0/3", "1/3", "2/3"], ["group"] * 3], ids=["fixed shares", "group"])
def test_three_followers_and_overlapping_refreshes_under_kills_end_with_everything_right(
    home: Home, shares: list[str]
) -> None:
    home.succeed("generate")
    home.succeed("deploy")
    replayed = json.loads(home.succeed("produce", "replay", "--json"))
    with warehouse.connect(home.endpoint) as connection:
        assert warehouse.graph_state(connection, home.endpoint.database).schedule is None, "the schedule stands still"
    consumers, figures = Consumers(home, shares), Counter[str]()
    producer = home.start("producer", "produce", "stream", "--rate", str(RATE), "--json")
    try:
        with beside(lambda: ask_for_a_run(home, figures)), beside(lambda: refresh(home, figures)):
            memory = kill_at_random(home, consumers, figures)
        producer.send_signal(signal.SIGINT)
        assert producer.wait(HANGS_AFTER) == 0, home.logs()["producer.txt"]
        consumers.stop()
    finally:
        producer.kill()
        producer.wait()
        consumers.clean_up()
    home.succeed("consume")
    home.succeed("refresh")
    verdict = home.run("verify", "--json")
    streamed = json.loads(home.logs()["producer.txt"])
    acknowledged = replayed["acknowledged"] + streamed["acknowledged"]
    histories = {task: history(home, task) for task in ("REFRESH", *TABLE_OF_TASK)}
    figures["events acknowledged"] = acknowledged
    told = {
        **figures,
        "runs of the graph": Counter(f"{run['from']} {run['state']}" for run in histories["REFRESH"]),
        "task runs": Counter(run["state"] for runs in histories.values() for run in runs),
        "errors of tasks": Counter(run["error"] for runs in histories.values() for run in runs if run["error"]),
        "memory of the warehouse, MB": memory,
        "verify": (verdict.returncode, json.loads(verdict.stdout)["status"], json.loads(verdict.stdout)["problems"]),
        "tracebacks": {name: text.count("Traceback") for name, text in home.logs().items()},
        "overlaps": overlaps(histories),
    }
    print(json.dumps(told, indent=2, default=str))

    assert figures["consumers killed"] + figures["warehouses killed"] >= AT_LEAST_KILLS
    assert figures["requests hit by a kill"] + figures["refreshes hit by a kill"], "no kill struck anything"
    assert figures["requests"] > len([run for run in histories["REFRESH"] if run["from"] == "EXECUTE_TASK"]), (
        "no run was asked for while another ran: each request began one of its own"
    )
    assert overlaps(histories) == []
    assert home.value("SELECT COUNT(DISTINCT RUN_ID) FROM OPS.LOADS") >= 3
    assert verdict.returncode == 0, verdict.stdout
    tables = ("CUSTOMERS", "PRODUCTS", "ORDERS_EVENTS")
    assert sum(home.value(f"SELECT COUNT(*) FROM RAW.{table}") for table in tables) == acknowledged
    assert {
        table: home.value(f"SELECT COUNT(*) FROM OPS.DIFFERENCES_{table}") for table in prod_tables()
    } == dict.fromkeys(prod_tables(), 0)
    rebuilt = json.loads(home.succeed("refresh", "--rebuild", "ALL", "--json"))["tables"]
    assert {(each["table"], each["removed"], each["changed"]) for each in rebuilt} == {
        (table, 0, 0) for table in prod_tables()
    }


def prod_tables() -> list[str]:
    return [table.removeprefix("PROD.") for table in TABLE_OF_TASK.values() if table.startswith("PROD.")]


@contextmanager
def beside(step: Callable[[], None]) -> Iterator[None]:
    """Repeat a step in a thread of its own; what it raises, the test raises."""
    over, raised = threading.Event(), list[BaseException]()

    def repeat() -> None:
        try:
            while not over.is_set():
                step()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if raised:
        raise raised[0]


def ask_for_a_run(home: Home, figures: Counter[str]) -> None:
    """EXECUTE TASK again and again on one connection, until a kill of the warehouse takes it away."""
    try:
        with warehouse.connect(home.endpoint, network_timeout=5) as connection:
            for _ in range(40):
                connection.cursor().execute("EXECUTE TASK OPS.REFRESH")
                figures["requests"] += 1
                time.sleep(ASK_EVERY_SECONDS)
    except (DropshipError, snowflake_errors.Error, OSError):
        figures["requests hit by a kill"] += 1
        time.sleep(ASK_EVERY_SECONDS)


def refresh(home: Home, figures: Counter[str]) -> None:
    """`dropship refresh` as a process of its own, which may fail when the warehouse is killed, but with a sentence."""
    done = home.run("refresh")
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    figures["refreshes" if done.returncode == 0 else "refreshes hit by a kill"] += 1


def kill_at_random(home: Home, consumers: Consumers, figures: Counter[str]) -> list[float | None]:
    """Kill a consumer, or every fourth time the warehouse; between two kills, something is loaded.

    Returns:
        The memory of each warehouse before it was killed, and of the last at the end.
    """
    moments, memory, deadline = random.Random(11), list[float | None](), time.monotonic() + SECONDS
    for number in itertools.count():
        loaded = raw_rows(home)
        wait_until(lambda loaded=loaded: raw_rows(home) > loaded, "something is loaded", HANGS_AFTER)
        time.sleep(moments.uniform(*PAUSE_SECONDS))
        over = number >= AT_LEAST_KILLS and time.monotonic() > deadline
        if over or number % 4 == 3:
            memory.append(resident_mb(home.supervisor.ensure("snowflake")["pid"]))
        if over:
            break
        if number % 4 == 3:
            home.kill_warehouse()
            figures["warehouses killed"] += 1
        else:
            consumers.kill(moments.randrange(len(consumers.running)))
            figures["consumers killed"] += 1
    return memory


def raw_rows(home: Home) -> int:
    return int(home.value("SELECT COUNT(*) FROM RAW.ORDERS_EVENTS"))


def history(home: Home, task: str) -> list[dict[str, Any]]:
    """The runs of a task that have begun."""
    rows = home.ask(
        f"""
        SELECT GRAPH_RUN_GROUP_ID, STATE, SCHEDULED_FROM, QUERY_START_TIME, COMPLETED_TIME, ERROR_MESSAGE
        FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY(TASK_NAME => '{task}', RESULT_LIMIT => 10000))
        WHERE DATABASE_NAME = CURRENT_DATABASE() AND QUERY_START_TIME IS NOT NULL
        """
    )
    assert len(rows) < 10000, "the history is cut: its overlaps cannot be told"
    return [dict(zip(("group", "state", "from", "begin", "end", "error"), row, strict=True)) for row in rows]


def overlaps(histories: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str]]:
    """Pairs of runs of the graph of which the second began before the first had ended."""
    now = dt.datetime.now(dt.UTC)
    graphs: dict[str, tuple[dt.datetime, dt.datetime]] = {}
    for run in itertools.chain.from_iterable(histories.values()):
        begin, end = run["begin"], run["end"] or now
        known = graphs.get(run["group"], (begin, end))
        graphs[run["group"]] = (min(begin, known[0]), max(end, known[1]))
    ordered = sorted(graphs.items(), key=lambda graph: graph[1])
    return [(first, second) for (first, (_, end)), (second, (begin, _)) in itertools.pairwise(ordered) if begin < end]
