"""A folder that appears whole or not at all.

The files are written into a hidden folder beside the wanted one, which then takes its place in one rename. A process
killed on the way leaves the hidden folder, which the next one removes. Files of somebody's own are never removed.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from dropship_dagster.shop.errors import OwnFilesError, ShopError
from dropship_dagster.shop.ownership import refuse_own_files, remove_generated
from local_service import privacy
from local_service.files import locked, sync_folder

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # renameat2(2), Linux 3.15


Keep = Callable[[Path], None]
"""Called with the folder into which somebody's own files were moved."""

Accept = Callable[[Path], None]
"""Called with a new folder before it takes the place of files that are there; they stay when it raises."""


@contextmanager
def replaced_folder(
    target: Path, *, overwrite: bool = False, kept: Keep | None = None, accept: Accept | None = None
) -> Iterator[Path]:
    """Yield an empty folder that becomes `target` when the block ends well, and vanishes when it does not.

    Only files that the generator wrote, and nobody changed since, are removed: each is compared with its manifest
    before the folders are exchanged, and again right before it is removed.

    Args:
        target: the wanted folder. It may exist when all of its files are the generator's.
        overwrite: somebody's own CSV files are moved into a dated folder beside it, instead of being refused.
        kept: called with that folder.
        accept: asked whether the new folder may replace files that are there.

    Raises:
        OwnFilesError: the target holds somebody's own files.
        ShopError: the target is a link or a file, or cannot be written.
    """
    _check_target(target)
    refuse_own_files(target, overwrite=overwrite)
    staging, retired = target.parent / f".{target.name}.partial", target.parent / f".{target.name}.replaced"
    try:
        privacy.make_folder(target.parent)
        with locked(target.parent / f".{target.name}.lock"):
            _clean_up(target, staging, retired)
            staging.mkdir(0o700)
            try:
                yield staging
                if accept and target.is_dir() and any(target.iterdir()):
                    accept(staging)
                _check_target(target)
                own = refuse_own_files(target, overwrite=overwrite)
                for file in staging.iterdir():
                    privacy.close(file)
                if target.exists():  # somebody may have made it for more people than its owner
                    staging.chmod(target.stat().st_mode & 0o7777)
                sync_folder(staging)
                old = backup_folder(target) if own else retired
                _swap(staging, target, old)
                sync_folder(target.parent)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            if own and kept:
                kept(old)
            if not own:
                _remove(retired, target)
    except OSError as error:
        raise ShopError(f"The folder {target} cannot be written ({error.strerror}): {_fix(error)}.") from error


def backup_folder(target: Path) -> Path:
    """A name beside the folder, with the time, that nothing has yet."""
    wanted = target.with_name(f"{target.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    free = wanted
    for number in itertools.count(2):
        if not free.exists():
            break
        free = wanted.with_name(f"{wanted.name}-{number}")
    return free


def _clean_up(target: Path, staging: Path, retired: Path) -> None:
    """What a killed run left: a folder that was being written, and one that was being replaced."""
    shutil.rmtree(staging, ignore_errors=True)
    if not target.exists() and retired.exists():
        retired.rename(target)
    _remove(retired, target)


def _remove(retired: Path, target: Path) -> None:
    """Remove a replaced folder, but for what turns out to be somebody's own.

    Raises:
        OwnFilesError: a file was changed after it had been compared; it is kept, and the sentence says where.
    """
    if not retired.exists():
        return
    left = remove_generated(retired)
    if left:
        backup = backup_folder(target)
        retired.rename(backup)
        raise OwnFilesError(
            f"{', '.join(left)} of {target} changed while the new files took their place: kept in {backup}."
        )


def _fix(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "make room on the disk or name another folder; what was there before is untouched"
    return "name a folder that you may write"


def _check_target(target: Path) -> None:
    if target.name in ("", "..") or target.resolve() == Path.cwd():
        raise ShopError(f"The folder {target} cannot be replaced as a whole: name a folder of its own, such as seeds/.")
    if target.is_symlink():
        raise ShopError(f"The folder {target} is a symbolic link: name the folder itself.")
    if target.exists() and not target.is_dir():
        raise ShopError(f"{target} is a file: name a folder.")


def _swap(staging: Path, target: Path, old: Path) -> None:
    """Put the new folder in the place of the old one, which is at `old` afterwards, also when it was killed between.

    The new folder has the name `old` first, so that the one step of the exchange gives both their places.
    """
    if not target.exists():
        staging.rename(target)
        return
    staging.rename(old)
    if _exchange(old, target):
        return
    # No atomic exchange on this system: for a moment neither is at the target, and both are on the disk.
    old.rename(staging)
    target.rename(old)
    staging.rename(target)


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


def has_csv(folder: Path) -> bool:
    """Whether a folder holds a CSV file; one that does not exist holds none."""
    return next(folder.glob("*.csv"), None) is not None
