"""Following a tutorial of docs/tutorials step by step, files, changes and commands, in a copy of the project."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dropship_dagster.settings import PROJECT_ROOT

TUTORIALS = PROJECT_ROOT / "docs" / "tutorials"
DROPSHIP = (sys.executable, "-m", "dropship_dagster.cli")
_BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LEFT_OUT = {".git", ".venv", ".dropship", "data", "reports", "site"}
"""What stands beside the project's files in its folder and is not copied."""
_PROGRAMS = {"dropship": DROPSHIP, "python": (sys.executable,)}
_WORD = re.compile(r"[\w.,:!/<>-]+")


@dataclass(frozen=True)
class Block:
    """A block of code: its language, the file that it is, if it says one, and its text."""

    language: str
    title: str | None
    text: str


@dataclass(frozen=True)
class Command:
    """A command of a console block, its exit code, and the lines that its output is said to hold."""

    line: str
    exit_code: int
    shown: tuple[str, ...]


def blocks(name: str) -> list[Block]:
    """The blocks of a tutorial, in its order."""
    text = (TUTORIALS / name).read_text(encoding="utf-8")
    return [Block(language, title or None, body) for language, title, body in _BLOCK.findall(text)]


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block; `# exits N` behind one tells its exit code."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        typed, *shown = part.strip().splitlines()
        line, _, exit_code = typed.partition(" # exits ")
        yield Command(line, int(exit_code or 0), tuple(shown))


@dataclass(frozen=True)
class Copy:
    """A copy of the project with a home of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, scratch: Path, **environment: str) -> Copy:
        """Copy the project into an empty folder."""
        shutil.copytree(PROJECT_ROOT, scratch / "project", ignore=_left_out)
        own = {
            "DROPSHIP_HOME": str(scratch / "home"),
            "DROPSHIP_DATA_DIR": str(scratch / "data"),
            "DROPSHIP_REPORTS_DIR": str(scratch / "reports"),
            "COLUMNS": "240",
            "NO_COLOR": "1",
        }
        return cls(scratch / "project", own | environment)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A program in the copy; its errors are part of its output."""
        foreign = ("DROPSHIP_", "DAGSTER_", "PYTHONPATH", "PYTEST_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return subprocess.run(
            arguments, cwd=self.folder, env=inherited | self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip

    def follow(self, name: str, *, only_files: bool = False) -> None:
        """Take every step of a tutorial in order, or only those that write and change files."""
        for block in blocks(name):
            if block.title:
                path = self.folder / block.title
                assert not path.exists(), f"{block.title} is there already"
                path.write_text(block.text, encoding="utf-8")
            elif block.language == "diff":
                self._apply(block.text)
            elif block.language == "console" and not only_files:
                for command in commands(block):
                    self.type(command)

    def type(self, command: Command) -> None:
        """Run a command and hold its output against what the tutorial shows."""
        programs = "".join(f'{name}() {{ {shlex.join(words)} "$@"; }}; ' for name, words in _PROGRAMS.items())
        done = self.run("sh", "-uc", programs + command.line)
        assert done.returncode == command.exit_code, f"{command.line} exits {done.returncode}:\n{done.stdout[-3000:]}"
        said = [_WORD.findall(line) for line in done.stdout.splitlines()]
        for shown in command.shown:
            found = any(_holds(line, _WORD.findall(shown)) for line in said)
            assert found, f"{command.line} does not say {shown}:\n{done.stdout[-3000:]}"

    def _apply(self, change: str) -> None:
        patch = self.folder / "change.patch"
        patch.write_text(change, encoding="utf-8")
        done = self.run("git", "apply", "--verbose", patch.name)
        patch.unlink()
        assert done.returncode == 0, f"{done.stdout}\n{change}"


def _left_out(folder: str, names: list[str]) -> set[str]:
    caches = {name for name in names if name == "__pycache__" or re.fullmatch(r"\..*_cache", name)}
    return caches | (_LEFT_OUT & set(names) if Path(folder) == PROJECT_ROOT else set())


def _holds(line: list[str], words: list[str]) -> bool:
    """Whether the words stand in a line one after the other."""
    return any(line[at : at + len(words)] == words for at in range(len(line) - len(words) + 1))
