"""The files of sql/: which there are, when each is deployed, and the names put into them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.settings import PROJECT_ROOT, TRIGGERED
from dropship_dagster.warehouse.costs import credit_quota
from dropship_dagster.warehouse.errors import DeploymentError
from dropship_dagster.warehouse.statements import split_statements

SQL_DIR = PROJECT_ROOT / "sql"
DEFAULT_ADMIN_ROLE = "ACCOUNTADMIN"

_NAME = re.compile(r"\d{2,}_\w+")
_STREAM = re.compile(r"^CREATE STREAM IF NOT EXISTS (\S+)", re.MULTILINE)
_HEADER = re.compile(r"-- deploy: (once|on change)\s*\n")
_ONLY_AS = re.compile(r"^-- only as: (\w+)$", re.MULTILINE)
_REPLACES = re.compile(r"^-- replaces: ([0-9a-f]{64})$", re.MULTILINE)
# The Snowflake CLI's template syntax, so `snow sql -D name=value` reads the same files.
# docs.snowflake.com/en/developer-guide/snowflake-cli/sql/execute-sql
_VARIABLE = re.compile(r"<%\s*(\w+)\s*%>")
_IDENTIFIER = re.compile(r"[A-Z_][A-Z0-9_$]{0,254}")

When = Literal["once", "on change"]


@dataclass(frozen=True)
class SqlFile:
    """A file: its path inside sql/, and its text with the fragments of its folder put in."""

    name: str
    text: str


@dataclass(frozen=True)
class Script:
    """What is deployed as a whole: a file of sql/, or a folder of files in the order of their numbers.

    Attributes:
        name: of the file; of a folder with .sql behind, as OPS.SCHEMA_MIGRATIONS has known it since it was one file.
        when: "once" for objects that hold data, "on change" for what is replaced as a whole.
        files: the file, or those of the folder.
        only_as: the role that alone may run it ("-- only as: ROLE"); None for the role that deploys.
        replaces: checksums of earlier texts of a file deployed once ("-- replaces: checksum") that later files bring up
            to this one: a database made from them is taken for one made from this text.
    """

    name: str
    when: When
    files: tuple[SqlFile, ...]
    only_as: str | None = None
    replaces: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """The text of all files, before names are put in."""
        return "\n".join(file.text for file in self.files)

    @property
    def checksum(self) -> str:
        """SHA-256 of the text before names are put in, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def located(self, variables: Mapping[str, str]) -> Iterator[tuple[str, int, str]]:
        """The statements with the variables put in, each behind its file and its number there, from 1.

        Raises:
            DeploymentError: a file uses a variable that is not given.
        """
        for file in self.files:
            for number, statement in enumerate(split_statements(_put_in(file, variables)), start=1):
                yield file.name, number, statement

    def statements(self, variables: Mapping[str, str]) -> list[str]:
        """The statements with the variables put in.

        Raises:
            DeploymentError: a file uses a variable that is not given.
        """
        return [statement for _, _, statement in self.located(variables)]


def read_scripts(folder: Path = SQL_DIR) -> list[Script]:
    """What the folder deploys, in that order: files deployed once, then files and folders deployed on change.

    Raises:
        DeploymentError: there are no files, or one does not say when it is deployed.
    """
    paths = sorted(path for path in folder.glob("*") if _NAME.fullmatch(path.stem if path.is_file() else path.name))
    scripts = [_read_folder(path) if path.is_dir() else _read_file(path) for path in paths]
    if not scripts:
        raise DeploymentError(f"{folder} holds no file like 01_name.sql: run from a checkout that has its sql/ folder.")
    return sorted(scripts, key=lambda script: (script.when != "once", script.name))


def variables_of(endpoint: WarehouseEndpoint) -> dict[str, str]:
    """The names the files ask for, safe to stand between double quotes.

    Raises:
        DeploymentError: a name is not an identifier in upper case.
    """
    variables = {
        "database": endpoint.database,
        "warehouse": endpoint.warehouse,
        "admin_role": admin_role(endpoint),
    }
    for name, value in variables.items():
        if not _IDENTIFIER.fullmatch(value):
            raise DeploymentError(
                f"{value!r} cannot be the {name}: use capital letters, digits, _ and $, not beginning with a digit."
            )
    schedule = endpoint.refresh_schedule
    return variables | {"refresh_schedule": schedule_clause(schedule), "credit_quota": str(credit_quota(schedule))}


def admin_role(endpoint: WarehouseEndpoint) -> str:
    """The role that deploys."""
    return endpoint.role or DEFAULT_ADMIN_ROLE


def schedule_clause(schedule: str) -> str:
    """What CREATE TASK and ALTER TASK ... SET have of the schedule; empty for a triggered task, which has none."""
    return "" if schedule == TRIGGERED else f"SCHEDULE = '{schedule}'"


def _read_file(path: Path) -> Script:
    text = path.read_text(encoding="utf-8")
    only_as = _ONLY_AS.search(text)
    return Script(
        path.name,
        _when(path.name, text),
        (SqlFile(path.name, text),),
        only_as[1] if only_as else None,
        frozenset(_REPLACES.findall(text)),
    )


def _read_folder(folder: Path) -> Script:
    """Its numbered files; what stands in fragments/ is put into them, as sql/run_all.sh does with the Snowflake CLI."""
    texts = {
        path: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql")) if _NAME.fullmatch(path.stem)
    }
    times = {_when(f"{folder.name}/{path.name}", text) for path, text in texts.items()}
    if len(times) != 1:
        raise DeploymentError(
            f"The files of {folder.name} are deployed together: one or more of them, all 'on change'."
        )
    known = {path.stem: path.read_text(encoding="utf-8").rstrip("\n") for path in folder.glob("fragments/*.sql")}
    streams = [name for text in texts.values() for name in _STREAM.findall(text)]
    known["any_stream_has_data"] = " OR ".join(f"SYSTEM$STREAM_HAS_DATA('{name}')" for name in streams)
    files = (
        SqlFile(f"{folder.name}/{path.name}", _VARIABLE.sub(lambda match: known.get(match[1], match[0]), text))
        for path, text in texts.items()
    )
    return Script(f"{folder.name}.sql", times.pop(), tuple(files))


def _when(name: str, text: str) -> When:
    header = _HEADER.match(text)
    if not header:
        raise DeploymentError(f"{name} must begin with the line '-- deploy: once' or '-- deploy: on change'.")
    return "once" if header.group(1) == "once" else "on change"


def _put_in(file: SqlFile, variables: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in variables:
            known = ", ".join(sorted(variables))
            raise DeploymentError(f"{file.name} uses <% {name} %>, which is not one of {known}.")
        return variables[name]

    return _VARIABLE.sub(value, file.text)
