"""A service as a process of a test run: started on a folder of its own, asked where it serves, ended."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from local_service.service import read_state

STOP_SECONDS = 300
"""How long an orderly end may take on a busy machine."""


class ServiceProcess:
    """A service on a data folder. It can be killed and started again, which keeps the data."""

    def __init__(self, module: str, data_dir: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> None:
        """
        Args:
            module: what `python -m` runs.
            data_dir: the folder; its parent takes the log.
            arguments: more of them than the folder.
            prefix: a program, with its arguments, that starts the service.
        """
        self.data_dir = data_dir
        self.arguments = arguments
        self.process: subprocess.Popen[str] | None = None
        self._command = (*prefix, sys.executable, "-m", module, "--data-dir", str(data_dir))
        self._log = data_dir.with_name(f"{data_dir.name}.log")

    def start(self) -> Self:
        """Start it and wait until it serves.

        Raises:
            RuntimeError: it ended instead; says what it wrote.
        """
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                [*self._command, *self.arguments], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        if not self.process.stdout.readline().startswith("ready "):
            self._reap()
            raise RuntimeError(f"The service did not start: {self.log()}")
        return self

    @property
    def state(self) -> dict[str, Any]:
        """What it says of itself in its state file: enough to connect."""
        return read_state(self.data_dir)

    @property
    def pid(self) -> int:
        """The process, which must have been started."""
        assert self.process is not None, "it was not started"
        return self.process.pid

    def log(self) -> str:
        """What it wrote on stderr, over all its lives."""
        return self._log.read_text()

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None, "it was not started"
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """SIGTERM, unless it has ended; the exit code. One that does not end is killed.

        Raises:
            subprocess.TimeoutExpired: it did not end.
        """
        assert self.process is not None, "it was not started"
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def end(self) -> None:
        """Make sure that it does not outlive its test, whatever became of it."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self._reap()

    def _reap(self) -> int:
        assert self.process is not None
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
