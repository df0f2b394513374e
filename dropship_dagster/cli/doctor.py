"""`dropship doctor`: is everything in place, and if not, what is the fix?"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer
from packaging.markers import Marker

from dropship_dagster.cli.console import EXIT_FAILED, out, print_json, sentences, settings
from dropship_dagster.cli.processes import check_free
from dropship_dagster.cli.up import running_pid
from dropship_dagster.endpoints import ServiceError, kafka_endpoint, warehouse_endpoint
from dropship_dagster.errors import DropshipError
from dropship_dagster.settings import PROJECT_ROOT, Settings

_LEAST_FREE_BYTES = 1 << 30
_LOCKED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*])?==(?P<version>[^ ;\\]+)(?: *; *(?P<marker>[^\\]+))?")


@dataclass(frozen=True)
class Finding:
    """One thing looked at: is it well, what was seen, and what to do if it is not."""

    subject: str
    ok: bool
    seen: str
    fix: str = ""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Check Python, packages, folders, ports and services; say the fix for what is wrong. Exit code 1 if anything is.

    Example: dropship doctor
    """
    config = settings()
    with sentences(config.home):
        findings = list(examine(config))
    well = all(finding.ok for finding in findings)
    if as_json:
        print_json({"ok": well, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            mark = "[green]ok  [/]" if finding.ok else "[red]FAIL[/]"
            out.print(f"{mark} {finding.subject:<12} {finding.seen}", markup=True)
            if not finding.ok:
                out.print(f"     {'':<12} fix: {finding.fix}")
    if not well:
        raise typer.Exit(EXIT_FAILED)


def examine(config: Settings) -> Iterator[Finding]:
    """Every check, in the order in which a failure explains the next."""
    yield _python()
    yield _packages(PROJECT_ROOT / "requirements.txt")
    for folder, variable in (
        (config.home, "DROPSHIP_HOME"),
        (config.data_dir, "DROPSHIP_DATA_DIR"),
        (config.reports_dir, "DROPSHIP_REPORTS_DIR"),
    ):
        yield _folder(folder, variable)
    yield _disk(config.home)
    yield _port(config, config.dagster_port, "DROPSHIP_DAGSTER_PORT")
    yield _port(config, config.dashboard_port, "DROPSHIP_DASHBOARD_PORT")
    yield _reached("Kafka", lambda: _ask_kafka(config))
    yield _reached("warehouse", lambda: _ask_warehouse(config))


def _python() -> Finding:
    ok = (3, 11) <= sys.version_info[:2] < (3, 14)
    seen = f"{sys.version.split()[0]} in {sys.prefix}"
    return Finding("Python", ok, seen, "install Python 3.11, 3.12 or 3.13, then `rm -rf .venv && make install`")


def _packages(lock: Path) -> Finding:
    """Compare what is installed with the lock."""
    wrong, count = [], 0
    for line in lock.read_text().splitlines():
        entry = _LOCKED.match(line)
        if not entry or (entry["marker"] and not Marker(entry["marker"].strip()).evaluate()):
            continue
        count += 1
        try:
            found = version(entry["name"])
        except PackageNotFoundError:
            found = "missing"
        if found != entry["version"]:
            wrong.append(f"{entry['name']} {found} (lock: {entry['version']})")
    seen = ", ".join(wrong[:3]) + (" ..." if len(wrong) > 3 else "") if wrong else f"{count}, as in {lock.name}"
    return Finding("packages", not wrong, seen, "rm -rf .venv && make install")


def _folder(folder: Path, variable: str) -> Finding:
    """Whether a folder, or the nearest one above it that exists, can be written."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    ok = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    return Finding("folder", ok, str(folder), f"make {nearest} writable, or set {variable} to a folder of yours")


def _disk(home: Path) -> Finding:
    nearest = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    ok = free >= _LEAST_FREE_BYTES
    return Finding("disk", ok, f"{free / 1e9:.1f} GB free", "free at least 1 GB, or move DROPSHIP_HOME to another disk")


def _port(config: Settings, port: int, variable: str) -> Finding:
    if running_pid(config):
        return Finding("port", True, f"{port}, served by `dropship up`")
    try:
        check_free(port, variable)
    except DropshipError as error:
        return Finding("port", False, f"{port} is taken", str(error))
    return Finding("port", True, f"{port} is free")


def _reached(subject: str, ask: Callable[[], str]) -> Finding:
    from confluent_kafka import KafkaException
    from snowflake.connector.errors import Error as SnowflakeError

    try:
        return Finding(subject, True, ask())
    except (DropshipError, ServiceError, KafkaException, SnowflakeError) as error:
        lines = str(error).strip().splitlines()
        fix = "check the settings in .env (see .env.example) and that the service can be reached from here"
        return Finding(subject, False, lines[0] if lines else type(error).__name__, fix)


def _ask_kafka(config: Settings) -> str:
    from confluent_kafka.admin import AdminClient

    endpoint = kafka_endpoint(config)
    cluster = AdminClient(dict(endpoint.client_config)).list_topics(timeout=10)
    return f"{endpoint.bootstrap_servers}, {len(cluster.brokers)} broker(s), {len(cluster.topics)} topic(s)"


def _ask_warehouse(config: Settings) -> str:
    import snowflake.connector

    endpoint = warehouse_endpoint(config)
    with snowflake.connector.connect(**endpoint.connect_args, login_timeout=20) as connection:
        row = connection.cursor().execute("SELECT CURRENT_USER(), CURRENT_ROLE(), CURRENT_VERSION()").fetchone()
    user, role, release = row if isinstance(row, tuple) else ("?", "?", "?")
    return f"account {endpoint.account}, user {user}, role {role}, version {release}"
