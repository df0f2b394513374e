"""Keeps a handful of processes alive and ends all of them together.

Each child leads a session of its own, so that Ctrl-C in the terminal reaches this process alone, which then ends the
children in order. On Linux a child also dies with this process, however that ended.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dropship_dagster.errors import DropshipError
from local_service import privacy

_PR_SET_PDEATHSIG = 1
_STOP_SECONDS = 5.0
_MAX_RESTARTS = 5
_RESTART_WINDOW = 60.0


@dataclass
class Program:
    """A long-running command: its name for people, its log file, and how to tell that it serves."""

    name: str
    command: Sequence[str]
    log: Path
    ready: Callable[[], bool] = lambda: True
    process: subprocess.Popen[bytes] | None = None
    restarts: list[float] = field(default_factory=list)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class ProcessGroup:
    """Programs started in order and stopped in reverse."""

    def __init__(self, programs: Sequence[Program], env: Mapping[str, str], cwd: Path) -> None:
        self.programs = list(programs)
        self._env = dict(env)
        self._cwd = cwd

    def start(self, program: Program) -> None:
        """Start one program, its output appended to its log."""
        privacy.make_folder(program.log.parent)
        with open(program.log, "ab", opener=privacy.opener) as log:
            program.process = subprocess.Popen(
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                cwd=self._cwd,
                start_new_session=True,
                preexec_fn=_begin,
            )

    def wait_ready(self, program: Program, stopping: Callable[[], bool], seconds: float = 90) -> None:
        """Wait until a program serves.

        Raises:
            DropshipError: it ended, or is not ready in time; names its log and quotes its last line.
        """
        deadline = time.monotonic() + seconds
        while not stopping():
            if not program.running:
                raise DropshipError(
                    f"{program.name} ended while starting: {last_line(program.log)} (log {program.log})"
                )
            if program.ready():
                return
            if time.monotonic() > deadline:
                raise DropshipError(f"{program.name} is not ready after {seconds:.0f} s: see {program.log}.")
            time.sleep(0.1)

    def revive(self) -> list[Program]:
        """Start again what ended by itself; those programs.

        Raises:
            DropshipError: a program ended again and again.
        """
        ended = [program for program in self.programs if not program.running]
        for program in ended:
            now = time.monotonic()
            program.restarts = [at for at in program.restarts if now - at < _RESTART_WINDOW] + [now]
            if len(program.restarts) > _MAX_RESTARTS:
                raise DropshipError(
                    f"{program.name} ended {_MAX_RESTARTS} times within a minute: "
                    f"{last_line(program.log)} (log {program.log})"
                )
            self.start(program)
        return ended

    def ask_to_end(self, program: Program) -> None:
        """Send one program its request to end, without waiting."""
        if program.process is not None:
            _signal_group(program.process.pid, signal.SIGTERM)

    def stop(self) -> list[Program]:
        """End every program, the last one first: a request, and after some seconds force; those that needed force."""
        self._signal_all(signal.SIGTERM)
        stubborn = [program for program in self.programs if program.running]
        self._signal_all(signal.SIGKILL)  # also what is left of the groups of those that ended
        return stubborn

    def _signal_all(self, sign: signal.Signals) -> None:
        for program in reversed(self.programs):
            if program.process is not None:
                _signal_group(program.process.pid, sign)
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline and any(program.running for program in self.programs):
            time.sleep(0.05)


def check_free(port: int, variable: str, host: str = "127.0.0.1") -> None:
    """Check that a port can be listened on.

    Raises:
        DropshipError: it cannot; names the setting that chooses another.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise DropshipError(
                f"Port {port} is taken ({error.strerror}): stop what listens there, or set {variable} to another port."
            ) from None


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts connections on a port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"


def _signal_group(pid: int, sign: signal.Signals) -> None:
    try:
        os.killpg(pid, sign)
    except (ProcessLookupError, PermissionError):
        return  # the whole group is gone


def _begin() -> None:
    """Run in a program before it begins: signals end it, and so does the end of its supervisor.

    A script's shell has what it runs in the background ignore SIGINT, Dagster treats SIGTERM as SIGINT, and programs
    inherit what is ignored.
    """
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
