"""Folders of records that the metadata does not know: set aside and told, never removed, as in Apache Kafka.

They come from a metadata.db that is older than the records, or another one. Where it is the right one again, the
folders are taken back.
"""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
from pathlib import Path

from local_service.files import sync_folder

log = logging.getLogger("kafka.topics")

METADATA_FILE, TOPICS_FOLDER, STRAYS_FOLDER = "metadata.db", "topics", "strays"
_PARTITION = re.compile(r"0|[1-9][0-9]*")


class LostMetadataError(Exception):
    """There are records, and nothing that says what they are."""

    def __init__(self, data_dir: Path, what: str) -> None:
        super().__init__(
            f"{data_dir / METADATA_FILE} {what}, but {data_dir / TOPICS_FOLDER} holds records: without it the names "
            "of their topics and the offsets of groups are unknown. Put it back from a backup of the folder, or move "
            f"{data_dir / TOPICS_FOLDER} away to start with no topics. Nothing was changed."
        )


class UnreadableMetadataError(Exception):
    """The file of the metadata is no database, or a damaged one."""

    def __init__(self, data_dir: Path, error: sqlite3.DatabaseError) -> None:
        metadata, topics = data_dir / METADATA_FILE, data_dir / TOPICS_FOLDER
        super().__init__(
            f"{metadata} cannot be read as a SQLite database ({error}): put it back from a backup of the folder. "
            f"Without one, move it and {topics} away, and the broker starts with no topics: the names and settings of "
            "the topics and the offsets of groups are lost with the file, and the records cannot be served without "
            "them. Nothing was changed."
        )


def is_damaged(error: sqlite3.Error) -> bool:
    """Whether an error of SQLite says that the file is no database, or a damaged one."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bits tell it more exactly
    return primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def check_metadata_file(data_dir: Path) -> None:
    """Check that the file of the metadata was not lost.

    Raises:
        LostMetadataError: it is missing or empty, and there are records.
    """
    path = data_dir / METADATA_FILE
    if path.exists() and path.stat().st_size:
        return
    topics = data_dir / TOPICS_FOLDER
    if topics.is_dir() and any(_holds_files(each) for each in topics.iterdir()):
        raise LostMetadataError(data_dir, "is empty" if path.exists() else "is missing")


class Strays:
    """What is beside the folders of the known topics."""

    def __init__(self, topics_folder: Path) -> None:
        self._topics = topics_folder
        self._aside = topics_folder.with_name(STRAYS_FOLDER)

    def take_back(self, topic_id: str, partition: int) -> bool:
        """Move the folder of a known partition back that an earlier start set aside; whether there was one."""
        folder = self._aside / topic_id / str(partition)
        if not folder.is_dir():
            return False
        target = self._topics / topic_id / str(partition)
        _move(folder, target)
        _remove_if_empty(folder.parent)
        _remove_if_empty(self._aside)
        log.warning("%s: took the records back that were set aside in %s", target, folder)
        return True

    def clear(self, partitions: dict[str, int]) -> None:
        """Remove what a creation that was cut short left, which holds no records, and set everything else aside.

        Args:
            partitions: the number of partitions of each known topic, by its id.

        Raises:
            LostMetadataError: there are records, and no topic is known at all.
        """
        strays = [path for path in self._topics.iterdir() if not _is_known(path, partitions)]
        for topic_id, count in partitions.items():
            folder = self._topics / topic_id
            if folder.is_dir():
                strays += [path for path in folder.iterdir() if not _is_partition(path, count)]
        records = [path for path in strays if _holds_files(path)]
        if records and not partitions:
            raise LostMetadataError(self._topics.parent, "knows no topic")
        for path in strays:
            if path in records:
                self._set_aside(path)
            elif path.is_dir():
                shutil.rmtree(path)

    def _set_aside(self, path: Path) -> None:
        """Partition by partition, so that each can be taken back."""
        inside = path.parent == self._topics and path.is_dir()
        for each in list(path.iterdir()) if inside else [path]:
            target = _free_name(self._aside / each.relative_to(self._topics))
            _move(each, target)
            log.error(
                "%s is of no topic or partition that %s knows, which may be older than the records; set aside as %s. "
                "Put the newer %s back and it is taken back, or remove it",
                each,
                METADATA_FILE,
                target,
                METADATA_FILE,
            )
        if inside:
            _remove_if_empty(path)


def _is_known(path: Path, partitions: dict[str, int]) -> bool:
    return path.name in partitions and path.is_dir()


def _is_partition(path: Path, count: int) -> bool:
    return path.is_dir() and _PARTITION.fullmatch(path.name) is not None and int(path.name) < count


def _holds_files(path: Path) -> bool:
    """Whether a path is a file, or there is one below it; hidden ones, as file managers leave them, are none."""
    return any(not each.is_dir() and not each.name.startswith(".") for each in (path, *path.rglob("*")))


def _free_name(path: Path) -> Path:
    """The path, or one with a number behind it where that is taken."""
    number, free = 0, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def _move(path: Path, target: Path) -> None:
    for folder in (target.parent.parent, target.parent):
        if not folder.exists():
            folder.mkdir()
            sync_folder(folder.parent)
    path.rename(target)
    sync_folder(target.parent)
    sync_folder(path.parent)


def _remove_if_empty(path: Path) -> None:
    if not any(path.iterdir()):
        path.rmdir()
