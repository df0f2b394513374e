"""Other processes: what they compute and hold, and whom they started.

From Linux's /proc; man 5 proc numbers the fields of `stat` from 1.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_PARENT, _USED = 4, slice(14, 16)
_USED_WITH_ENDED_CHILDREN = slice(14, 18)


def processor_seconds(pid: int) -> float:
    """What a process has used so far, in user and system mode."""
    return _seconds(_fields(Path(f"/proc/{pid}")), _USED)


def processor_seconds_below(pid: int, name: str) -> float:
    """What the descendants of that name have used, those that have ended included."""
    found = dict(_processes())
    return sum(
        _seconds(found[child], _USED_WITH_ENDED_CHILDREN) for child in _below(pid, found) if found[child][2] == name
    )


def resident_megabytes(pid: int) -> float:
    """The memory a process holds."""
    return _megabytes(pid, "VmRSS")


def peak_megabytes(pid: int) -> float:
    """The most memory a process has held."""
    return _megabytes(pid, "VmHWM")


def descendants(pid: int) -> set[int]:
    """The process and all that it, or one of these, started."""
    return _below(pid, dict(_processes()))


def _megabytes(pid: int, name: str) -> float:
    """A size of `status`; a KeyError for a process that has ended and is not waited for, which has none."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(dict(line.split(":", 1) for line in lines)[name].split()[0]) / 1024


def _below(pid: int, found: dict[int, list[str]]) -> set[int]:
    below = {pid}
    while more := {child for child, fields in found.items() if int(fields[_PARENT]) in below} - below:
        below |= more
    return below


def _processes() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield int(folder.name), _fields(folder)
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue


def _fields(folder: Path) -> list[str]:
    """The fields by their numbers; the name, which is the second, may hold spaces and brackets."""
    begin, _, rest = (folder / "stat").read_text().rpartition(")")
    pid, _, name = begin.partition(" (")
    return ["", pid, name, *rest.split()]


def _seconds(fields: list[str], which: slice) -> float:
    return sum(int(ticks) for ticks in fields[which]) / os.sysconf("SC_CLK_TCK")
