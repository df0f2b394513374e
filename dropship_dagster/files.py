"""Files on this machine: replaced so that a crash leaves the old content or the new, never a part of either."""

from __future__ import annotations

import os
from pathlib import Path

from dropship_dagster import privacy


def replace_durably(path: Path, data: bytes) -> None:
    """Replace a file in one step, for its owner alone; missing folders are created.

    Raises:
        OSError: it cannot be written; the old content stays.
    """
    privacy.make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb", opener=privacy.opener) as file:
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
