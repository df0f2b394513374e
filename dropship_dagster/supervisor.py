"""Starts, finds and stops the local services of one home folder.

Any number of processes may ask at once: the first starts the service under a lock, the others find it. A service is
detached from whoever started it (own session, no inherited pipe), so it outlives the command that needed it first.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from local_service import privacy
from local_service.service import EXIT_NOT_WRITABLE, EXIT_PORT_TAKEN, ServiceError, owner, read_state

Service = Literal["kafka", "snowflake"]
SERVICES: tuple[Service, ...] = ("kafka", "snowflake")

_SHOWN = {
    "kafka": ("bootstrap_servers",),
    "snowflake": ("host", "port", "protocol", "account", "user", "password", "database"),
}
OPTIONS: dict[Service, tuple[str, ...]] = {
    "kafka": (),
    "snowflake": ("--account", "embedded", "--user", "DROPSHIP", "--database", "DROPSHIP"),
}
"""What each is started with: the names that the settings have when nobody sets them, in every home that there is."""

_PASSWORD, _SERVERS_PASSWORD = "DROPSHIP_WAREHOUSE_PASSWORD", "LOCAL_SNOWFLAKE_PASSWORD"
_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 15.0
_POLL = 0.02

# Services this process started; kept so that one that ends is reaped and leaves no zombie behind a long-lived parent.
_started: list[subprocess.Popen[bytes]] = []


class Supervisor:
    """The local services whose data lies in `home`."""

    def __init__(self, home: Path, allowed_hosts: Sequence[str] = ()) -> None:
        """`allowed_hosts`: more names by which clients may call the warehouse, beside those of the loopback address."""
        self.home = home
        self._allowed_hosts = allowed_hosts

    def data_dir(self, service: Service) -> Path:
        """Where a service keeps everything it writes."""
        return self.home / service

    def log_file(self, service: Service) -> Path:
        """Where a service's log goes."""
        return self.home / "logs" / f"{service}.log"

    def ensure(self, service: Service) -> dict[str, Any]:
        """Return the published state of a running service, starting it when it does not run.

        Raises:
            ServiceError: it cannot be started; the sentence says why and where its log lies.
        """
        state = self._current_state(service)
        if state:
            return state
        with self._lock():
            state = self._current_state(service)
            return state or self._start(service)

    def stop(self, *services: Service) -> bool:
        """Stop services, all at once; whether any ran. They get 15 seconds to end in order, then they are killed.

        Raises:
            ServiceError: one does not end.
        """
        with self._lock():
            ran = {service: pid for service in services if (pid := owner(self.data_dir(service)))}
            left = dict(ran)
            for sign in (signal.SIGTERM, signal.SIGKILL):
                for pid in left.values():
                    _signal(pid, sign)
                deadline = time.monotonic() + _STOP_TIMEOUT
                while left and time.monotonic() < deadline:
                    time.sleep(_POLL)
                    _reap()
                    left = {service: pid for service, pid in left.items() if owner(self.data_dir(service)) == pid}
        for service, pid in left.items():
            raise ServiceError(f"The local {service} (pid {pid}) does not end; its log is {self.log_file(service)}.", 1)
        return bool(ran)

    def status(self) -> dict[str, dict[str, Any]]:
        """What `dropship services status --json` prints: enough for any client to connect."""
        return {service: self._status(service) for service in SERVICES}

    def _status(self, service: Service) -> dict[str, Any]:
        state = self._current_state(service)
        known = state or read_state(self.data_dir(service))
        return {
            "running": state is not None,
            "pid": state["pid"] if state else None,
            **{key: known.get(key) for key in _SHOWN[service]},
            "data_dir": str(self.data_dir(service)),
        }

    def _current_state(self, service: Service) -> dict[str, Any] | None:
        """The state that the live owner of the folder published; None while there is none or it still starts."""
        data_dir = self.data_dir(service)
        pid = owner(data_dir)
        if not pid:
            return None
        state = read_state(data_dir)
        return state if state.get("pid") == pid else None

    def _start(self, service: Service) -> dict[str, Any]:
        """Start a service on the port it had before, or on a free one when that is taken now."""
        if owner(self.data_dir(service)):  # started by hand a moment ago and still on its way
            return self._wait(service, None)
        port = read_state(self.data_dir(service)).get("port", 0)
        process = self._spawn(service, port)
        try:
            return self._wait(service, process)
        except ServiceError as error:
            if error.exit_code != EXIT_PORT_TAKEN or not port:
                raise
        return self._wait(service, self._spawn(service, 0))

    def _spawn(self, service: Service, port: int) -> subprocess.Popen[bytes]:
        log_file = self.log_file(service)
        privacy.make_folder(log_file.parent)
        module = f"local_{service}"
        command = [sys.executable, "-m", module, "--data-dir", str(self.data_dir(service)), "--port", str(port)]
        command += OPTIONS[service]
        if service == "snowflake" and self._allowed_hosts:
            command += ["--allowed-hosts", ",".join(self._allowed_hosts)]
        with open(log_file, "ab", opener=privacy.opener) as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).resolve().parents[1],
                env=_environment(),
                start_new_session=True,
            )
        _started.append(process)
        return process

    def _wait(self, service: Service, process: subprocess.Popen[bytes] | None) -> dict[str, Any]:
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline:
            state = self._current_state(service)
            if state:
                return state
            code = process.poll() if process else None
            if code is not None:
                raise ServiceError(
                    f"The local {service} did not start: {self._last_words(service)} "
                    f"(exit code {code}, log {self.log_file(service)})",
                    code,
                )
            time.sleep(_POLL)
        raise ServiceError(
            f"The local {service} was not ready within {_START_TIMEOUT:.0f} s: see {self.log_file(service)}.", 1
        )

    def _last_words(self, service: Service) -> str:
        lines = self.log_file(service).read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing."

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One starter or stopper at a time, over all processes."""
        try:
            privacy.make_folder(self.home)
            fd = os.open(self.home / "services.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ServiceError(
                f"Cannot write {self.home} ({error.strerror}): set DROPSHIP_HOME to a folder of yours.",
                EXIT_NOT_WRITABLE,
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _environment() -> dict[str, str]:
    """What a service's process gets of ours."""
    ours = {name: value for name, value in os.environ.items() if not _is_clients(name)}
    password = ours.get(_PASSWORD)
    return ours | ({_SERVERS_PASSWORD: password} if password else {})


def _is_clients(variable: str) -> bool:
    """Whether a variable configures clients (and may be a secret): a server has no use for it."""
    return variable.startswith(("KAFKA_", "SNOWFLAKE_"))


def _signal(pid: int, sign: signal.Signals) -> None:
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return  # it ended by itself between the look and the signal


def _reap() -> None:
    _started[:] = [process for process in _started if process.poll() is None]
