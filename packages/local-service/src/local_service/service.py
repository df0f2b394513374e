"""What both local services share: the lock on their data folder, the state file, logging, and exit sentences.

A service owns its data folder by an exclusive `flock` on `<data dir>/lock` for its whole life, so whether it runs is a
question to the kernel and never to a pid that may have been given to somebody else.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import ipaddress
import json
import logging
import math
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from local_service import privacy
from local_service.files import write_atomically

EXIT_USAGE = 2
EXIT_LOCKED = 3
EXIT_PORT_TAKEN = 4
EXIT_NOT_WRITABLE = 5
EXIT_INTERRUPTED = 130  # as a shell says of a process that SIGINT has ended

_LOCK_ATTEMPTS = 10
_PID_SIZE, _LOCK_SIZE = 20, 60
_LOCK = re.compile(rb"([0-9]+) +((?:[a-z][a-z -]*[a-z])?) *")

STATE_FILE = "service.json"
LOCK_FILE = "lock"


class ServiceError(Exception):
    """A start that cannot succeed: the sentence for the user and the exit code of the process."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


@dataclass(frozen=True)
class DataDir:
    """A service's data folder, held by this process until it ends."""

    path: Path
    lock_fd: int

    @classmethod
    def acquire(cls, path: Path, service: str) -> DataDir:
        """Create the folder if needed and lock it; what this process writes from here on is its owner's alone.

        Args:
            path: the folder.
            service: what the service is called in sentences and in the lock file.

        Raises:
            ServiceError: another process holds it, it is that of another service or of no service, or it cannot be
                written.
        """
        try:
            privacy.be_private()
            privacy.make_folder(path)
            empty = all(entry.name == LOCK_FILE for entry in path.iterdir())
            fd = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _not_writable(service, path, error) from error
        try:
            _take(fd, path, service, close=empty)
        except BaseException:
            os.close(fd)
            raise
        return cls(path, fd)

    def publish(self, state: Mapping[str, Any]) -> None:
        """Write the state file, whole or not at all, readable by its owner alone."""
        write_atomically(self.path / STATE_FILE, json.dumps(dict(state), indent=2).encode() + b"\n")


@dataclass(frozen=True)
class _Lock:
    """What a lock file says: the pid of the process that holds it or held it last, and its service.

    Nothing in a file that was created a moment ago, no service in one of an earlier version.
    """

    pid: str
    service: str

    @classmethod
    def read(cls, fd: int) -> _Lock | None:
        """The content of the open file; None where it is somebody else's file."""
        content = os.pread(fd, _LOCK_SIZE + 1, 0)
        found = _LOCK.fullmatch(content)
        if content and not (found and len(content) in (_PID_SIZE, _LOCK_SIZE)):
            return None
        return cls(*(part.decode() for part in found.groups())) if found else cls("", "")

    def write(self, fd: int) -> None:
        """Over what is there and as long as any other, which takes no room on a full disk."""
        os.pwrite(fd, f"{self.pid:<{_PID_SIZE}}{self.service:<{_LOCK_SIZE - _PID_SIZE}}".encode(), 0)


def _take(fd: int, path: Path, service: str, *, close: bool) -> None:
    """Lock the open lock file of a folder and write into it who holds it.

    Args:
        fd: the lock file.
        path: the folder.
        service: who wants it.
        close: take the folder from others, though its lock does not say that everything in it is the service's.
    """
    held = _Lock.read(fd)
    if held is None:
        raise _of_others(f"{path / LOCK_FILE} is no lock of a service", service)
    for attempt in range(_LOCK_ATTEMPTS):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if attempt < _LOCK_ATTEMPTS - 1:
                time.sleep(0.02)  # somebody may only be asking whether the folder is locked
    else:
        raise ServiceError(
            f"A {held.service or service} (pid {owner(path)}) already serves the data folder {path}: use that one, or "
            "stop it first.",
            EXIT_LOCKED,
        )
    if held.service not in ("", service):
        raise _of_others(f"{path} is the data folder of a {held.service}", service)
    try:
        if close or held.pid:
            privacy.close(path)
        _Lock(str(os.getpid()), service).write(fd)
    except OSError as error:
        raise _not_writable(service, path, error) from error


def _of_others(what: str, service: str) -> ServiceError:
    return ServiceError(f"{what}: give the {service} a folder of its own with --data-dir.", EXIT_LOCKED)


def _not_writable(service: str, path: Path, error: OSError) -> ServiceError:
    return ServiceError(
        f"The {service} cannot write its data folder {path} ({error.strerror}): give it a folder of yours with room.",
        EXIT_NOT_WRITABLE,
    )


def owner(path: Path) -> int | None:
    """The pid of the live process that holds the data folder, or None when there is none."""
    try:
        fd = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(fd, _PID_SIZE, 0) or 0)
    else:
        return None
    finally:
        os.close(fd)


def read_state(path: Path) -> dict[str, Any]:
    """The last state that the service of this data folder published; empty when it never did."""
    try:
        state = json.loads((path / STATE_FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    if not isinstance(state, dict):
        raise ServiceError(f"{path / STATE_FILE} is not the state of a service: remove the file.", EXIT_NOT_WRITABLE)
    return state


def loopback(host: str) -> str:
    """Check a `--host` argument: a local service has no authentication fit for a network.

    Raises:
        argparse.ArgumentTypeError: the address is not a loopback address.
    """
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise argparse.ArgumentTypeError(f"{host} is not a loopback address; this service listens on this machine only")
    return host


def _folder(text: str) -> Path:
    """Check a `--data-dir` argument: an empty one, of a variable that is not set, would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty: name a folder")
    return Path(text)


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an argument that is a whole number of a range, which its refusal names."""
    wanted = f"a whole number from {least}" + ("" if most is None else f" to {most}")

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return number

    return convert


def seconds(text: str) -> float:
    """The type of an argument that is a span of time in seconds."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


def service_parser(program: str, description: str) -> argparse.ArgumentParser:
    """The arguments every service has: --data-dir, --host, --port, --log-level, --version.

    Args:
        program: the command, which is the name of its distribution too.
        description: what --help says of it.
    """
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--version", action="version", version=f"{program} {version(program)}")
    parser.add_argument("--data-dir", type=_folder, required=True, help="where everything it writes lives")
    parser.add_argument("--host", type=loopback, default="127.0.0.1", help="a loopback address (%(default)s)")
    parser.add_argument(
        "--port",
        type=whole_number(0, 65_535),
        default=0,
        help="0: a free one, written to service.json (%(default)s)",
    )
    parser.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    return parser


def port_error(service: str, host: str, port: int, error: OSError) -> ServiceError:
    """The sentence for a socket that could not be bound."""
    taken = error.errno == errno.EADDRINUSE
    reason = "another program listens there" if taken else error.strerror or str(error)
    return ServiceError(
        f"The {service} cannot listen on {host}:{port} ({reason}): free the port, or use --port 0 for any free one.",
        EXIT_PORT_TAKEN,
    )


def configure_logging(level: str) -> None:
    """One line an event on stderr: `2026-01-31T12:00:00.123Z LEVEL name message`."""
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)


def announce(host: str, port: int, how_to_connect: str) -> None:
    """Tell whoever reads standard output that the service serves, and how a client reaches it."""
    sys.stdout.write(f"ready {host}:{port}\n{how_to_connect}\n")
    sys.stdout.flush()


def fail(error: ServiceError) -> int:
    """Print the sentence and give the exit code."""
    sys.stderr.write(f"{error}\n")
    return error.exit_code
