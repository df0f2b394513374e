"""The files of sql/: which there are, when each is deployed, and the names put into them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster.warehouse.errors import DeploymentError
from dropship_dagster.warehouse.statements import split_statements

SQL_DIR = PROJECT_ROOT / "sql"
DEFAULT_ADMIN_ROLE = "ACCOUNTADMIN"

_FILE_NAME = re.compile(r"\d{2,}_\w+\.sql")
_HEADER = re.compile(r"-- deploy: (once|on change)\s*\n")
# The Snowflake CLI's template syntax, so `snow sql -D name=value` reads the same files.
# docs.snowflake.com/en/developer-guide/snowflake-cli/sql/execute-sql
_VARIABLE = re.compile(r"<%\s*(\w+)\s*%>")
_IDENTIFIER = re.compile(r"[A-Z_][A-Z0-9_$]{0,254}")

When = Literal["once", "on change"]


@dataclass(frozen=True)
class Script:
    """A file of sql/. `when`: "once" for objects that hold data, "on change" for what is replaced as a whole."""

    name: str
    when: When
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text before names are put in, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self, variables: Mapping[str, str]) -> list[str]:
        """The statements with the variables put in.

        Raises:
            DeploymentError: the file uses a variable that is not given.
        """

        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name not in variables:
                known = ", ".join(sorted(variables))
                raise DeploymentError(f"{self.name} uses <% {name} %>, which is not one of {known}.")
            return variables[name]

        return split_statements(_VARIABLE.sub(value, self.text))


def read_scripts(folder: Path = SQL_DIR) -> list[Script]:
    """The folder's files in the order they are deployed: those deployed once, then those deployed on change.

    Raises:
        DeploymentError: there are no files, or one does not say when it is deployed.
    """
    paths = sorted(path for path in folder.glob("*.sql") if _FILE_NAME.fullmatch(path.name))
    if not paths:
        raise DeploymentError(f"{folder} holds no file like 01_name.sql: run from a checkout that has its sql/ folder.")
    scripts = [_read(path) for path in paths]
    return sorted(scripts, key=lambda script: (script.when != "once", script.name))


def variables_of(endpoint: WarehouseEndpoint) -> dict[str, str]:
    """The names the files ask for, safe to stand between double quotes.

    Raises:
        DeploymentError: a name is not an identifier in upper case.
    """
    variables = {
        "database": endpoint.database,
        "warehouse": endpoint.warehouse,
        "admin_role": endpoint.role or DEFAULT_ADMIN_ROLE,
    }
    for name, value in variables.items():
        if not _IDENTIFIER.fullmatch(value):
            raise DeploymentError(
                f"{value!r} cannot be the {name}: use capital letters, digits, _ and $, not beginning with a digit."
            )
    return variables


def _read(path: Path) -> Script:
    text = path.read_text(encoding="utf-8")
    header = _HEADER.match(text)
    if not header:
        raise DeploymentError(f"{path.name} must begin with the line '-- deploy: once' or '-- deploy: on change'.")
    when: When = "once" if header.group(1) == "once" else "on change"
    return Script(path.name, when, text)
