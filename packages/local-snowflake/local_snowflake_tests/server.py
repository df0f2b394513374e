"""Starting, killing and talking to a server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import snowflake.connector
from snowflake.connector.errors import Error

PATIENCE_SECONDS = 300.0


def eventually(check: Callable[[], Any], what: str) -> Any:
    """Wait until `check` gives something true, and give it back."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE_SECONDS} s: {what}")


class Session:
    """A connection, with statements in a line."""

    def __init__(self, connection: snowflake.connector.SnowflakeConnection) -> None:
        self.connection = connection

    def run(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement; its rows."""
        with self.connection.cursor() as cursor:
            return list(cursor.execute(sql, parameters).fetchall())

    def value(self, sql: str) -> Any:
        """The one cell of a query."""
        rows = self.run(sql)
        assert len(rows) == 1, rows
        return rows[0][0]

    def fails(self, sql: str) -> Error:
        """The error of a statement that must fail."""
        try:
            rows = self.run(sql)
        except Error as error:
            return error
        raise AssertionError(f"{sql} gave {rows}")

    def script(self, text: str) -> None:
        """Statements parted by lines that hold a semicolon at their end."""
        for statement in text.split(";\n"):
            if statement.strip():
                self.run(statement)

    def close(self) -> None:
        self.connection.close()


class Server:
    """The server as a process on a data folder."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder, self.arguments = folder, arguments
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until it serves."""
        command = [sys.executable, "-m", "local_snowflake", "--data-dir", str(self.folder)]
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder.parent / f"{self.folder.name}.log").open("a") as log:
            self.process = subprocess.Popen([*command, *self.arguments], stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready "), f"the server did not start: {self.log()}"

    def log(self) -> str:
        return (self.folder.parent / f"{self.folder.name}.log").read_text()

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "service.json").read_text())
        return found

    def connect(self, **options: Any) -> snowflake.connector.SnowflakeConnection:
        """A connection with the connector's own defaults."""
        state = self.state
        return snowflake.connector.connect(**{
            "user": state["user"], "password": state["password"], "account": state["account"], "host": state["host"],
            "port": state["port"], "protocol": state["protocol"], **options,
        })  # fmt: skip

    def session(self, **options: Any) -> Session:
        return Session(self.connect(**options))

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
