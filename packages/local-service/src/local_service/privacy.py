"""Files and folders for their owner alone, whatever the umask: they hold customers' names, addresses and orders."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path

_FOLDER, _FILE, _OTHERS = 0o700, 0o600, 0o077


def be_private() -> None:
    """What this process and its children create from now on, libraries included, is its owner's alone."""
    os.umask(_OTHERS)


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents; one that is there stays as it is.

    Raises:
        OSError: it cannot be created, or a file is in its place.
    """
    missing = [folder, *folder.parents]
    while missing and missing[-1].is_dir():
        missing.pop()
    for path in reversed(missing):
        path.mkdir(_FOLDER, exist_ok=True)


def opener(path: str, flags: int) -> int:
    """For `open(..., opener=opener)`: a file that is created can be read by its owner alone."""
    return os.open(path, flags, _FILE)


def keep_private(folder: Path, ours: Collection[str], *, beside: Collection[str] = ()) -> None:
    """Take from others what an earlier version left open to them; what is not this user's stays as it is.

    The folder itself is closed when nothing in it is foreign, so that a folder of somebody's own that we were given
    keeps its mode.

    Args:
        folder: a home of ours; it need not exist.
        ours: the names in it that are ours.
        beside: names that are not foreign, though they are no business of this folder's.

    Raises:
        OSError: a mode cannot be changed.
    """
    try:
        open_to_others = folder.stat().st_mode & _OTHERS
        entries = list(folder.iterdir()) if open_to_others else []
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # whoever needs the folder says so
    if not open_to_others:
        return
    for path in entries:
        if path.name in ours:
            close(path)
    if all(path.name in ours or path.name in beside for path in entries):
        _close(folder, folder.stat())


def is_open(path: Path) -> bool:
    """Whether the mode of a file or folder lets other users do anything with it; a link has none of its own."""
    mode = path.lstat().st_mode
    return not stat.S_ISLNK(mode) and bool(mode & _OTHERS)


def close(path: Path) -> None:
    """Take from others a file, or a folder with all that is in it. One that is closed already is not looked into."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return  # a temporary file that is gone
    if not status.st_mode & _OTHERS or stat.S_ISLNK(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
        for entry in path.iterdir():
            close(entry)
    _close(path, status)  # a folder last: cut short, the next start goes on


def _close(path: Path, status: os.stat_result) -> None:
    if status.st_uid == os.geteuid():
        path.chmod(stat.S_IMODE(status.st_mode) & ~_OTHERS)
