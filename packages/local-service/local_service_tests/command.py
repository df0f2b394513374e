"""A service's command as it was installed, and starts of it that are expected to fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def installed(program: str) -> Path:
    """Where the command is, beside this Python."""
    return Path(sys.executable).with_name(program)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command until it ends."""
    return subprocess.run([installed(program), *arguments], capture_output=True, text=True, timeout=300, check=False)


def start(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same by `python -m`, as the platform starts it."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def assert_tells_its_options(program: str, version: str, options: Sequence[str]) -> None:
    """--version and --help say what they should, and nothing is wrong."""
    assert run(program, "--version").stdout == f"{program} {version}\n"
    asked = run(program, "--help")
    assert (asked.returncode, asked.stderr) == (0, "")
    for option in options:
        assert option in asked.stdout


def assert_refused(program: str, arguments: Sequence[str], sentence: str) -> None:
    """A wrong use ends with 2 and a sentence that names the argument."""
    failed = run(program, *arguments)
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1] == f"{program}: error: {sentence}"
