"""A folder that appears whole or not at all.

The files are written into a hidden folder beside the wanted one, which then takes its place in one rename. A process
killed on the way leaves the hidden folder, which the next one removes.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dropship_dagster import privacy
from dropship_dagster.shop.errors import ShopError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # renameat2(2), Linux 3.15


@contextmanager
def replaced_folder(target: Path, *, known: Callable[[str], bool]) -> Iterator[Path]:
    """Yield an empty folder that becomes `target` when the block ends well, and vanishes when it does not.

    Args:
        target: the wanted folder. It may exist when it holds nothing but files that `known` accepts.
        known: whether a file of that name may be replaced.

    Raises:
        ShopError: the target is a link or a file, holds foreign files, or cannot be written.
    """
    _check_target(target, known)
    staging = target.parent / f".{target.name}.partial"
    try:
        privacy.make_folder(target.parent)
        with _locked(target.parent / f".{target.name}.lock"):
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(0o700)
            try:
                yield staging
                _check_target(target, known)
                for file in staging.iterdir():
                    privacy.close(file)
                if target.exists():  # somebody may have made it for more people than its owner
                    staging.chmod(target.stat().st_mode & 0o7777)
                _sync_folder(staging)
                _swap(staging, target)
                _sync_folder(target.parent)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise ShopError(f"The folder {target} cannot be written ({error.strerror}): {_fix(error)}.") from error


def _fix(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "make room on the disk or name another folder; what was there before is untouched"
    return "name a folder that you may write"


def _check_target(target: Path, known: Callable[[str], bool]) -> None:
    if target.name in ("", "..") or target.resolve() == Path.cwd():
        raise ShopError(f"The folder {target} cannot be replaced as a whole: name a folder of its own, such as seeds/.")
    if target.is_symlink():
        raise ShopError(f"The folder {target} is a symbolic link: name the folder itself.")
    if not target.exists():
        return
    if not target.is_dir():
        raise ShopError(f"{target} is a file: name a folder.")
    foreign = sorted(entry.name for entry in target.iterdir() if not known(entry.name))
    if foreign:
        raise ShopError(
            f"The folder {target} holds other files ({', '.join(foreign[:3])}): name an empty or a new one."
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer a folder: the second waits."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _swap(staging: Path, target: Path) -> None:
    """Put the new folder in the place of the old one; the old one ends up at `staging`, to be removed."""
    if not target.exists():
        staging.rename(target)
        return
    if _exchange(staging, target):
        return
    # No atomic exchange on this system: for a moment neither is at the target, and both are on the disk.
    old = staging.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    target.rename(old)
    staging.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where the system has no such call."""
    if not sys.platform.startswith("linux"):
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    done = renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if done == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
