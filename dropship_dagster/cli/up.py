"""`dropship up` and `dropship down`: everything live under one supervisor."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from dropship_dagster import clock, shop
from dropship_dagster.cli.console import out, sentences, settings
from dropship_dagster.cli.instance import prepare
from dropship_dagster.cli.processes import ProcessGroup, Program, answers, check_free
from dropship_dagster.cli.runs import cancel_runs, launch_once
from dropship_dagster.cli.signals import stop_on_signals
from dropship_dagster.clock import FASTEST, SLOWEST
from dropship_dagster.endpoints import kafka_endpoint, supervisor, warehouse_endpoint
from dropship_dagster.errors import DropshipError
from dropship_dagster.settings import PROJECT_ROOT, Settings
from dropship_dagster.shop.folder import has_csv
from dropship_dagster.supervisor import SERVICES
from local_service import privacy
from local_service.files import locked

_LOCK = "up.lock"
_CANCEL_SECONDS = 3.0
_LOCATION = "dropship_dagster.definitions"
"""As `dagster job launch -m dropship_dagster.definitions` names it, so that the daemon finds what that has queued."""
_WEBSERVER = "dropship_dagster.automation.webserver"
_FIRST_JOB = "full_pipeline"
_CODE_SERVER_PORTS = range(4266, 4299)


def up(
    live: Annotated[
        bool | None,
        typer.Option("--live/--no-live", help="Keep a shop open: files when there are none, then new orders (yes)."),
    ] = None,
    shop_clock: Annotated[
        float | None,
        typer.Option(
            "--clock",
            min=SLOWEST,
            max=FASTEST,
            help="The shop's clock: so many times as fast as ours (DROPSHIP_SHOP_CLOCK: 1440, a shop day a minute).",
        ),
    ] = None,
) -> None:
    """Run the platform: local services, Dagster's UI and daemon, and the dashboard. Ctrl-C stops all of it.

    The shop is open: when there are no CSV files they are made and taken to PROD, and new orders keep coming. With
    --no-live (or DROPSHIP_LIVE=no) nothing is made up: what you generate, produce or bring is loaded and merged.

    The shop's clock goes on where its history ends, as a time-lapse, and by that clock it sells as in its history.

    Examples: dropship up     dropship up --clock 60     DROPSHIP_DAGSTER_PORT=3001 dropship up --no-live
    """
    config = settings()
    if shop_clock is not None:
        config = config.model_copy(update={"shop_clock": shop_clock})
    if live is None:
        live = config.live if "live" in config.model_fields_set else True
    with sentences(config.home), _only_one(config) as first:
        if first:
            _run(config, live)
        else:
            out.print(f"The platform already runs (pid {running_pid(config)}).")
            _print_addresses(config, live=live)


def down() -> None:
    """Stop what `dropship up` started and the local services; their data stays.

    Example: dropship down
    """
    config = settings()
    with sentences(config.home):
        pid = running_pid(config)
        if pid:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 30
            while running_pid(config) == pid:
                if time.monotonic() > deadline:
                    raise DropshipError(f"The platform (pid {pid}) does not end; see {config.home / 'logs'}.")
                time.sleep(0.1)
        stopped = supervisor(config).stop(*SERVICES)
        out.print("Stopped." if pid or stopped else "Nothing ran.")


def running_pid(config: Settings) -> int | None:
    """The process that runs the platform of this home folder, if any."""
    try:
        with (config.home / _LOCK).open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return None


def monitor() -> None:
    """Run the dashboard alone, on what the warehouse holds.

    Example: DROPSHIP_DASHBOARD_PORT=8502 dropship monitor
    """
    config = settings()
    with sentences(config.home):
        check_free(config.dashboard_port, "DROPSHIP_DASHBOARD_PORT")
        out.print(f"Dashboard  http://127.0.0.1:{config.dashboard_port}   (Ctrl-C stops it)")
        os.chdir(PROJECT_ROOT)
        os.execv(sys.executable, _dashboard(config))  # noqa: S606 - it takes this process's place and its signals


def _run(config: Settings, live: bool) -> None:
    check_free(config.dagster_port, "DROPSHIP_DAGSTER_PORT")
    check_free(config.dashboard_port, "DROPSHIP_DASHBOARD_PORT")
    with stop_on_signals() as stop:
        _run_until(config, live, stop)


def _run_until(config: Settings, live: bool, stop: threading.Event) -> None:
    shop.close_generated(config.data_dir)
    out.print("Starting the services ...")
    kafka_endpoint(config)
    warehouse_endpoint(config)
    prepare(config)
    told = {"DROPSHIP_LIVE": "yes" if live else "no", "DROPSHIP_SHOP_CLOCK": f"{config.shop_clock:.10g}"}
    environment = {**os.environ, **told}
    group = ProcessGroup(_programs(config), environment, PROJECT_ROOT)
    code_server, ui, dashboard, daemon = group.programs
    try:
        group.start(code_server)
        group.wait_ready(code_server, stop.is_set)
        group.start(ui)
        group.start(dashboard)
        group.wait_ready(ui, stop.is_set)
        if live and not has_csv(config.data_dir) and not stop.is_set():
            # Before the daemon runs: recording a run with all its checks takes longer than a sensor may. What goes
            # wrong here is left to the sensor first_run.
            launch_once(config.dagster_port, _LOCATION, _FIRST_JOB)
            out.print("The shop is new: it is being made and filled, which takes about a minute.")
        group.start(daemon)
        group.wait_ready(dashboard, stop.is_set)
        if not stop.is_set():
            _print_addresses(config, live=live)
            out.print("Ctrl-C stops all of it.")
        _watch(config, group, stop)
    finally:
        out.print("Stopping ...")
        group.ask_to_end(daemon)  # first, so that no run is started while the others end
        group.ask_to_end(dashboard)
        if ui.running:
            cancel_runs(config.dagster_port, _CANCEL_SECONDS)
        for program in group.stop():
            out.print(f"{program.name} did not end by itself and was killed; its log is {program.log}")
        supervisor(config).stop(*SERVICES)
        out.print("Stopped.")


def _watch(config: Settings, group: ProcessGroup, stop: threading.Event) -> None:
    """Until the end: start again whatever ended by itself, local services included."""
    while not stop.wait(1.0):
        for program in group.revive():
            out.print(f"{program.name} ended and was started again; its log is {program.log}")
        kafka_endpoint(config)
        warehouse_endpoint(config)


def _programs(config: Settings) -> list[Program]:
    logs = config.home / "logs"
    workspace, code_port = _workspace(config)
    code_server = ("--location-name", _LOCATION, "-h", "127.0.0.1", "-p", str(code_port))
    ui_port, dashboard_port = config.dagster_port, config.dashboard_port
    return [
        Program(
            "Dagster's code server",
            _python("dagster", "code-server", "start", "-m", _LOCATION, *code_server),
            logs / "code-server.log",
            lambda: answers(code_port),
        ),
        Program(
            "Dagster's UI",
            _python(_WEBSERVER, "-h", "127.0.0.1", "-p", str(ui_port), "-w", str(workspace)),
            logs / "webserver.log",
            lambda: answers(ui_port),
        ),
        Program("The dashboard", _dashboard(config), logs / "dashboard.log", lambda: answers(dashboard_port)),
        Program("Dagster's daemon", _python("dagster._daemon", "run", "-w", str(workspace)), logs / "daemon.log"),
    ]


def _workspace(config: Settings) -> tuple[Path, int]:
    """A workspace file that names the code server, so that UI and daemon share one process with the code."""
    port = next((port for port in _CODE_SERVER_PORTS if not answers(port)), _CODE_SERVER_PORTS.start)
    server = {"host": "127.0.0.1", "port": port, "location_name": _LOCATION}
    path = config.home / "workspace.yaml"
    path.write_text(json.dumps({"load_from": [{"grpc_server": server}]}) + "\n")  # JSON is YAML
    return path, port


def _dashboard(config: Settings) -> list[str]:
    app = PROJECT_ROOT / "streamlit_monitor" / "server.py"
    server = ("--server.address", "127.0.0.1", "--server.port", str(config.dashboard_port), "--server.headless", "true")
    return _python("streamlit", "run", str(app), *server, "--browser.gatherUsageStats", "false")


def _python(module: str, *arguments: str) -> list[str]:
    """A module run by this environment's Python: console scripts break in a path with spaces."""
    return [sys.executable, "-m", module, *arguments]


def _print_addresses(config: Settings, *, live: bool) -> None:
    out.print(f"  Dagster    http://127.0.0.1:{config.dagster_port}")
    out.print(f"  Dashboard  http://127.0.0.1:{config.dashboard_port}")
    out.print(f"  Logs       {config.home / 'logs'}")
    shown = clock.shown(config.home / clock.HOME_FILE)
    if live and clock.read(config.home / clock.HOME_FILE) is None and not shop.own_files(config.data_dir):
        shown = f"from the end of its history on ({clock.speed(config.shop_clock)}), once the shop is filled"
    out.print(f"  Shop's clock: {shown}")


@contextmanager
def _only_one(config: Settings) -> Iterator[bool]:
    privacy.make_folder(config.home)
    with ExitStack() as held:
        try:
            handle = held.enter_context(locked(config.home / _LOCK, wait=False))
        except BlockingIOError:
            yield False
            return
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield True
