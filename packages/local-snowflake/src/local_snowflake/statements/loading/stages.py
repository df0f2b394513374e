"""CREATE and DROP of stages and file formats; PUT, LIST and REMOVE of files."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
from sqlglot import exp

from local_snowflake.engine.access import OWNERSHIP, USAGE, Securable, in_schema
from local_snowflake.engine.stages import USER_STAGE, Location
from local_snowflake.errors import (
    Code,
    SnowflakeError,
    exists,
    invalid,
    missing,
    refuse,
    syntax,
)
from local_snowflake.results import Column, Result, StatementType, status, table
from local_snowflake.session.session import Session
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.names import Name
from local_snowflake.translate.dialect import parse


def locate(session: Session, text: str, privilege: str = "READ") -> Location:
    """The place that `@[database.][schema.]stage[/path]` or `@~[/path]` means.

    Raises:
        SnowflakeError: no such stage, or a path that leads out of it; the privilege (READ or WRITE) is not granted.
    """
    if not text.startswith("@"):
        raise invalid(f"invalid location '{text}'; a stage is written @name")
    matched = re.match(r'@((?:"[^"]*"|[^/"])+)/?(.*)$', text, re.DOTALL)
    if not matched:
        raise invalid(f"invalid location '{text}'")
    reference, path = matched.groups()
    if path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise invalid(f"invalid path '{path}': it must stay inside the stage")
    stages = session.engine.stages
    if reference == "~":
        return Location(stages.folder(USER_STAGE), path, {}, "~")
    if reference.startswith("%") or ".%" in reference:
        refuse("table stages (@%table); create a named stage")
    name = session.qualify(Cursor(reference).name())
    found = stages.find(name)
    if found is None:
        raise missing("Stage", name)
    if name not in session.temporary_stages:
        session.rights.need(privilege, in_schema("STAGE", name))
    folder, file_format = found
    return Location(stages.folder(folder), path, file_format, name.name.lower())


# definition -----------------------------------------------------------------------------------------------------


def is_creation(cursor: Cursor) -> bool:
    """Whether CREATE [OR REPLACE] goes on with a stage or a file format."""
    words = [cursor.word(ahead) for ahead in range(4)]
    while words and words[0] in ("TEMP", "TEMPORARY", "SCOPED", "VOLATILE"):
        words.pop(0)
    return bool(words) and (words[0] == "STAGE" or words[:2] == ["FILE", "FORMAT"] or words[0] == "FILE FORMAT")


def create(session: Session, cursor: Cursor, replace: bool) -> Result:
    temporary = False
    while cursor.word() in ("TEMP", "TEMPORARY", "SCOPED"):
        temporary = True
        cursor.at += 1
    if cursor.accept("STAGE"):
        return _create_stage(session, cursor, replace, temporary=temporary)
    cursor.expect("FILE", "FORMAT")
    return _create_format(session, cursor, replace)


def _create_stage(session: Session, cursor: Cursor, replace: bool, *, temporary: bool) -> Result:
    if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
    name = session.qualify(cursor.name())
    properties = cursor.properties()
    if "URL" in properties:
        refuse("an external stage (URL = ...)")
    unknown = set(properties) - {"FILE_FORMAT", "COMMENT", "ENCRYPTION", "DIRECTORY", "COPY_OPTIONS"}
    if unknown:
        refuse(f"the stage property {unknown.pop()}")
    session.engine.catalog.require_schema(name.database, name.schema)
    file_format = format_options(session, properties.get("FILE_FORMAT", ""))
    session.rights.need("CREATE STAGE", Securable("SCHEMA", (name.database, name.schema)))
    with session.define() as connection:
        if _stays(session, connection, "stages", name, replace=replace, if_not_exists=if_not_exists):
            return status(f"{name.name} already exists, statement succeeded.")
        session.engine.access.created(connection, in_schema("STAGE", name), session.role)
        replaced = session.engine.stages.put(connection, name, file_format, properties.get("COMMENT", ""))
    session.engine.stages.remove_folders(replaced)
    if temporary:
        session.temporary_stages.add(name)
    return status(f"Stage area {name.name} successfully created.")


def _create_format(session: Session, cursor: Cursor, replace: bool) -> Result:
    if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
    name = session.qualify(cursor.name())
    properties = cursor.properties()
    session.engine.catalog.require_schema(name.database, name.schema)
    comment = properties.pop("COMMENT", "")
    session.rights.need("CREATE FILE FORMAT", Securable("SCHEMA", (name.database, name.schema)))
    with session.define() as connection:
        if _stays(session, connection, "file_formats", name, replace=replace, if_not_exists=if_not_exists):
            return status(f"{name.name} already exists, statement succeeded.")
        session.engine.access.created(connection, in_schema("FILE FORMAT", name), session.role)
        session.engine.stages.put_format(connection, name, properties, comment)
    return status(f"File format {name.name} successfully created.")


def _stays(
    session: Session, connection: duckdb.DuckDBPyConnection, table: str, name: Name, *, replace: bool,
    if_not_exists: bool,
) -> bool:  # fmt: skip
    """Whether IF NOT EXISTS leaves the one of this name as it is.

    Raises:
        SnowflakeError: 002002, there is one, without IF NOT EXISTS or OR REPLACE.
    """
    if not session.engine.stages.exists(connection, table, name):
        return False
    if not if_not_exists and not replace:
        raise exists(name)
    if replace and name not in session.temporary_stages:
        session.rights.need(OWNERSHIP, in_schema("STAGE" if table == "stages" else "FILE FORMAT", name))
    return if_not_exists


def format_options(session: Session, text: str) -> dict[str, str]:
    """The options of FILE_FORMAT = (...), with those of its FORMAT_NAME below them."""
    if not text:
        return {}
    inner = text[1:-1] if text.startswith("(") else f"FORMAT_NAME = '{text}'"
    options = Cursor(inner).properties()
    return named_format(session, options.pop("FORMAT_NAME")) | options if "FORMAT_NAME" in options else options


def named_format(session: Session, text: str) -> dict[str, str]:
    """The options of a named file format."""
    name = session.qualify(Cursor(text).name())
    options = session.engine.stages.find_format(name)
    if options is None:
        raise missing("File format", name)
    session.rights.need(USAGE, in_schema("FILE FORMAT", name))
    return options


def drop(session: Session, cursor: Cursor) -> Result:
    kind = "Stage" if cursor.accept("STAGE") else "File format"
    if kind == "File format":
        cursor.expect("FILE", "FORMAT")
    if_exists = cursor.accept("IF", "EXISTS")
    name = session.qualify(cursor.name())
    cursor.end()
    stages = session.engine.stages
    on = in_schema(kind.upper(), name)
    with session.define() as connection:
        present = stages.exists(connection, "stages" if kind == "Stage" else "file_formats", name)
        if present and name not in session.temporary_stages:
            session.rights.need(OWNERSHIP, on)
        folders = stages.remove(connection, name) if kind == "Stage" else []
        if present:
            session.engine.access.dropped(connection, on)
        gone = bool(folders) or (kind == "File format" and stages.remove_format(connection, name))
    stages.remove_folders(folders)
    if not gone and not if_exists:
        raise missing(kind, name)
    return status(f"{name.name} successfully dropped.")


# files ----------------------------------------------------------------------------------------------------------


def _options(tree: exp.Put | exp.Get) -> dict[str, Any]:
    properties = tree.args["properties"].expressions if tree.args.get("properties") else []
    found: dict[str, Any] = {}
    for entry in properties:
        value = entry.args["value"]
        found[entry.name.upper()] = value.this if isinstance(value, exp.Boolean) else value.name
    return found


_BARE_SOURCE = re.compile(r"""(\bPUT\s+|\bGET\s+(?:'[^']*'|(?:"[^"]*"|\S)+)\s+)(file://[^\s';]+)""", re.IGNORECASE)


def transfer(session: Session, sql: str) -> Result:
    """PUT and GET: tell the client where to put or find the files; client and server share this machine."""
    # In quotes, or the tokenizer takes the /* of file:///folder/*.csv for the beginning of a comment.
    tree = parse(_BARE_SOURCE.sub(r"\1'\2'", sql, count=1))
    if not isinstance(tree, exp.Put | exp.Get):
        raise syntax("syntax error: PUT file://... @stage or GET @stage file://... was expected")
    source, target = tree.this.name, tree.args["target"].name.strip("'")
    if target == "?":
        target = session.bound("1").name
    if not source.startswith("file://"):
        raise invalid(f"invalid source '{source}'; it is written file:///path/of/the/files")
    location = locate(session, target, "READ" if isinstance(tree, exp.Get) else "WRITE")
    if isinstance(tree, exp.Get):
        return _get(location, unquote(source.removeprefix("file://")), _options(tree))
    folder = location.folder / location.path
    folder.mkdir(parents=True, exist_ok=True)
    if not folder.resolve().is_relative_to(location.folder.resolve()):
        raise invalid(f"invalid path '{location.path}': it must stay inside the stage")
    options = _options(tree)
    known = {"AUTO_COMPRESS", "OVERWRITE", "PARALLEL", "SOURCE_COMPRESSION"}
    if set(options) - known:
        refuse(f"the option {(set(options) - known).pop()} of PUT")
    upload = {
        "command": "UPLOAD",
        "operation": "Node",
        "src_locations": [unquote(source.removeprefix("file://"))],
        "parallel": int(options.get("PARALLEL", 4)),
        "autoCompress": options.get("AUTO_COMPRESS", True),
        "sourceCompression": str(options.get("SOURCE_COMPRESSION", "auto_detect")).lower(),
        "overwrite": options.get("OVERWRITE", False),
        "stageInfo": {"locationType": "LOCAL_FS", "location": f"{folder}/", "path": location.path, "creds": {}},
    }
    return Result([Column("status", "VARCHAR")], type=StatementType.UNKNOWN, upload=upload)


def _get(location: Location, local: str, options: dict[str, Any]) -> Result:
    unknown = set(options) - {"PARALLEL", "PATTERN"}
    if unknown:
        refuse(f"the option {unknown.pop()} of GET")
    files = matching(location.files(), options.get("PATTERN"))
    download = {
        "command": "DOWNLOAD",
        "operation": "Node",
        "src_locations": [name for name, _ in files],
        "localLocation": local,
        "parallel": int(options.get("PARALLEL", 10)),
        "encryptionMaterial": [],
        "stageInfo": {"locationType": "LOCAL_FS", "location": f"{location.folder}/", "path": "", "creds": {}},
    }
    return Result([Column("status", "VARCHAR")], type=StatementType.UNKNOWN, upload=download)


def digest(path: Path) -> str:
    """The MD5 of a file's content, as LIST shows it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _stage_argument(session: Session, cursor: Cursor, privilege: str = "READ") -> tuple[Location, str | None]:
    text = cursor.sql[cursor.tokens[0].end + 1 :].strip().rstrip(";")
    matched = re.match(r"('[^']*'|\S+)\s*(?:PATTERN\s*=\s*'((?:[^']|'')*)')?\s*$", text, re.IGNORECASE)
    if not matched:
        raise invalid(f"invalid location '{text}'")
    return locate(session, matched.group(1).strip("'"), privilege), matched.group(2)


def matching(files: list[tuple[str, Path]], pattern: str | None) -> list[tuple[str, Path]]:
    """The files whose whole path matches a PATTERN."""
    if pattern is None:
        return files
    expression = re.compile(pattern.replace("\\\\", "\\"))
    return [(name, file) for name, file in files if expression.fullmatch(name)]


def list_files(session: Session, cursor: Cursor) -> Result:
    """LIST @stage: name, size, md5, last_modified."""
    location, pattern = _stage_argument(session, cursor)
    rows = []
    for name, file in matching(location.files(), pattern):
        try:
            about, checksum = file.stat(), digest(file)
        except FileNotFoundError:
            continue  # another session has removed it since
        changed = dt.datetime.fromtimestamp(about.st_mtime, dt.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        rows.append((f"{location.label}/{name}", about.st_size, checksum, changed))
    columns = [("name", "VARCHAR"), ("size", "BIGINT"), ("md5", "VARCHAR"), ("last_modified", "VARCHAR")]
    return table(columns, rows)


def remove(session: Session, cursor: Cursor) -> Result:
    """REMOVE @stage/path."""
    location, pattern = _stage_argument(session, cursor, "WRITE")
    rows = []
    for name, file in matching(location.files(), pattern):
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise SnowflakeError(f"{name} cannot be removed: {error.strerror}", Code.CANCELED, "58030") from error
        rows.append((f"{location.label}/{name}", "removed"))
    return table([("name", "VARCHAR"), ("result", "VARCHAR")], rows)
