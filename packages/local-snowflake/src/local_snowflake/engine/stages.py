"""Stages and file formats as they are recorded, and the folders with the stages' files."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from local_snowflake.engine.store import Store, first
from local_snowflake.syntax.names import Name

USER_STAGE = "user"
"""The folder of the user's own stage, @~."""

_BY_NAME = "database = ? AND schema = ? AND name = ?"


@dataclass(frozen=True)
class Location:
    """@stage/path: the stage's folder, its format, and the path inside."""

    folder: Path
    path: str
    file_format: dict[str, str]
    label: str

    def files(self) -> list[tuple[str, Path]]:
        """The files whose path begins with the location's, by their path inside the stage."""
        found = [file for file in self.folder.rglob("*") if file.is_file() and not file.is_symlink()]
        named = sorted((str(file.relative_to(self.folder)), file) for file in found)
        return [(name, file) for name, file in named if name.startswith(self.path)]


class Stages:
    """The recorded stages and file formats. A stage is a folder under the data folder."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def folder(self, name: str) -> Path:
        """The folder of this name, created when it is first used."""
        folder = self._store.stages / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def find(self, name: Name) -> tuple[str, dict[str, str]] | None:
        """The name of a stage's folder, and its file format."""
        rows = self._store.query(f"SELECT folder, file_format FROM stages WHERE {_BY_NAME}", _key(name))
        return (rows[0][0], json.loads(rows[0][1])) if rows else None

    def find_format(self, name: Name) -> dict[str, str] | None:
        """The options of a named file format."""
        rows = self._store.query(f"SELECT options FROM file_formats WHERE {_BY_NAME}", _key(name))
        options: dict[str, str] | None = json.loads(rows[0][0]) if rows else None
        return options

    def put(
        self, connection: duckdb.DuckDBPyConnection, name: Name, file_format: dict[str, str], comment: str
    ) -> list[str]:
        """Record a stage, with a new folder, in the connection's transaction. The folder of the one it replaces."""
        replaced = self.remove(connection, name)
        connection.execute(
            "INSERT INTO _sf.stages VALUES (?, ?, ?, ?, ?, ?, now())",
            [*_key(name), uuid.uuid4().hex, json.dumps(file_format), comment],
        )
        return replaced

    def put_format(
        self, connection: duckdb.DuckDBPyConnection, name: Name, options: dict[str, str], comment: str
    ) -> None:
        """Record a file format, in place of one of its name, in the connection's transaction."""
        self.remove_format(connection, name)
        connection.execute(
            "INSERT INTO _sf.file_formats VALUES (?, ?, ?, ?, ?, ?, now())",
            [*_key(name), options.get("TYPE", "CSV").upper(), json.dumps(options), comment],
        )

    @staticmethod
    def exists(connection: duckdb.DuckDBPyConnection, table: str, name: Name) -> bool:
        """Whether `table` (stages, file_formats) has the name, as the connection's transaction sees it."""
        return first(connection, f"SELECT 1 FROM _sf.{table} WHERE {_BY_NAME}", _key(name)) is not None

    @staticmethod
    def remove(connection: duckdb.DuckDBPyConnection, name: Name) -> list[str]:
        """Remove a stage from the records; its folder, for `remove_folders` once that is committed."""
        gone = connection.execute(f"DELETE FROM _sf.stages WHERE {_BY_NAME} RETURNING folder", _key(name)).fetchall()
        return [folder for (folder,) in gone]

    @staticmethod
    def remove_format(connection: duckdb.DuckDBPyConnection, name: Name) -> bool:
        """Remove a file format; whether there was one."""
        gone = connection.execute(f"DELETE FROM _sf.file_formats WHERE {_BY_NAME} RETURNING 1", _key(name)).fetchall()
        return bool(gone)

    def remove_folders(self, folders: Iterable[str]) -> None:
        """Remove the files of stages that are gone."""
        for folder in folders:
            shutil.rmtree(self._store.stages / folder, ignore_errors=True)

    def drop_temporary(self, names: Iterable[Name]) -> None:
        """Remove the temporary stages of a session that ends."""
        for name in names:
            with self._store.control() as connection:
                folders = self.remove(connection, name)
            self.remove_folders(folders)


def _key(name: Name) -> list[str]:
    return [name.database, name.schema, name.name]
