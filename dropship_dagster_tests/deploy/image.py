"""Processes run as a container of the image would: its files, its user, its environment and nothing else of this one's.

What stands in for the isolation of an engine: the image's two folders, /app and /var/lib, are moved into a scratch
folder, the services' names and ports become ports of this machine, and started as root the processes take the image's
user, who may write to the volumes alone.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dropship_dagster.settings import PROJECT_ROOT

DOCKERFILE = (PROJECT_ROOT / "Dockerfile").read_text()
_AS_ROOT = os.geteuid() == 0


def _instruction(name: str) -> list[str]:
    """The image's values of an instruction: those of the last stage."""
    return re.findall(rf"^{name} (.+)$", DOCKERFILE.rpartition("\nFROM ")[2].replace("\\\n", " "), re.MULTILINE)


ENTRYPOINT = ["python", "-m"]
USER = int(_instruction("USER")[-1].partition(":")[0])


class Image:
    """The image's files in a scratch folder, and what of its names stands where on this machine."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """`names`: text by text, for what an address or folder of the containers is here."""
        self.root = Path(tempfile.mkdtemp(prefix="dropship-image-"))
        self.root.chmod(0o755)
        self.app, self.volumes = self.root / "app", self.root / "var"
        self.names = {**names, "/var/lib/": f"{self.volumes}/", "/app": str(self.app)}
        self._build()
        self._running: list[subprocess.Popen[bytes]] = []

    def here(self, text: str) -> str:
        """A text of the containers' world in this machine's terms."""
        for name, value in self.names.items():
            text = text.replace(name, value)
        return text

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        entrypoint: Sequence[str] = ENTRYPOINT,
    ) -> subprocess.Popen[bytes]:
        """Start a container's process."""
        words = [sys.executable if word == "python" else self.here(word) for word in (*entrypoint, *command)]
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*_as_the_images_user(), *words],
                cwd=self.app,
                env=self.environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The image's own variables and a container's, and none of this machine's."""
        own = dict(word.partition("=")[::2] for line in _instruction("ENV") for word in line.split() if "=" in word)
        merged = {name: self.here(value) for name, value in {**own, **given}.items()}
        # The environment of the image is in /app/.venv; that of the checkout stands in for it, its code behind /app's.
        packages = ":".join(str(path) for path in sorted(self.app.glob("packages/*/src")))
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        own_places = {"PATH": path, "PYTHONPATH": packages, "HOME": str(self.volumes / "dropship")}
        return {**merged, **own_places, "DROPSHIP_ENV_FILE": ""}

    def stop(self) -> None:
        """End everything that was started, and what it started."""
        for process in reversed(self._running):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self._running):
            with suppress(subprocess.TimeoutExpired):  # it is killed with its group
                process.wait(20)
            with suppress(ProcessLookupError):  # the group ended with it
                os.killpg(process.pid, signal.SIGKILL)

    def remove(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.root)

    def _build(self) -> None:
        """What the Dockerfile copies, laid out as it does, for root to write and all to read."""
        self.app.mkdir()
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
            *sources, _ = line.split()
            for source in sources:
                found = PROJECT_ROOT / source
                if found.is_dir():
                    shutil.copytree(found, self.app / source, ignore=shutil.ignore_patterns("__pycache__", "*_tests"))
                else:
                    shutil.copy(found, self.app / source)
        for path in (self.app / "deploy").glob("*.yaml"):
            path.write_text(self.here(path.read_text()))
        for path in [self.app, *self.app.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        for name in ("dropship", "warehouse"):
            (self.volumes / name).mkdir(parents=True)
            if _AS_ROOT:
                os.chown(self.volumes / name, USER, USER)
        self.volumes.chmod(0o755)


def _as_the_images_user() -> list[str]:
    """A prefix that drops root for the image's user, who may still read an interpreter that lies in root's home."""
    if not _AS_ROOT:
        return []
    keep = "-all,+dac_read_search"
    return [
        *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"),
        *(f"--inh-caps={keep}", f"--ambient-caps={keep}", f"--bounding-set={keep}"),
    ]
