"""Files on this machine: replaced so that a crash leaves the old content or the new, never a part of either."""

from __future__ import annotations

import os
from pathlib import Path


def replace_durably(path: Path, data: bytes) -> None:
    """Replace a file in one step, and its folder's missing parents with it.

    Raises:
        OSError: it cannot be written; the old content stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def has_csv(folder: Path) -> bool:
    """Whether a folder holds a CSV file; one that does not exist holds none."""
    return next(folder.glob("*.csv"), None) is not None
