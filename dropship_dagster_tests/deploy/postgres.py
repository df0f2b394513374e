"""A Postgres of a test's own, from the machine's packages."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


class Postgres:
    """Database and user `dagster`; data in `folder`, on 127.0.0.1."""

    def __init__(self, folder: Path, port: int, password: str) -> None:
        self.bin = _FOLDERS[-1] if _FOLDERS else Path(shutil.which("initdb") or "/usr/bin/initdb").parent
        assert (self.bin / "initdb").exists(), "install Debian's package postgresql"
        self.folder, self.port = folder, port
        # Postgres refuses to run as root; Debian's package makes this user.
        self._user = "postgres" if os.geteuid() == 0 else None
        folder.mkdir()
        if self._user:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        secret = folder / "password"
        secret.write_text(password)
        secret.chmod(0o644)
        self._run("initdb", "-D", str(folder / "data"), "-U", "dagster", f"--pwfile={secret}", "--auth=scram-sha-256")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        self._run("pg_ctl", "-D", str(folder / "data"), "-l", str(folder / "log"), "-w", "-o", options, "start")
        self._run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "dagster", "dagster", PGPASSWORD=password)

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def _run(self, program: str, *arguments: str, **environment: str) -> None:
        subprocess.run(
            [self.bin / program, *arguments],
            user=self._user,
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", **environment},
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            timeout=120,
        )
