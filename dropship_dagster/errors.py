"""The one class of errors that are meant for the user, and the sentence of one that several packages raise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class DropshipError(Exception):
    """What happened, to which thing, and what to do; shown as it is, without a traceback."""


@contextmanager
def listing(what: str, path: Path, error: type[DropshipError]) -> Iterator[None]:
    """A disk that is full, or a folder that nobody may write to, in words, while something is listed in a file.

    Raises:
        error: writing failed.
    """
    try:
        yield
    except OSError as failure:
        raise error(
            f"The {what} cannot be listed in {path} ({failure.strerror}): make room on the disk, or name a file in a "
            "folder that you may write."
        ) from failure
