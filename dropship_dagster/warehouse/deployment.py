"""Deployment of sql/: each file once or whenever it changed (a folder as one), recorded in OPS.SCHEMA_MIGRATIONS.

DDL commits by itself in Snowflake, so a file can be deployed half. Every file can be run twice (IF NOT EXISTS, OR
REPLACE, MERGE) and is recorded after its last statement: what was killed is deployed again, from the file's beginning.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from snowflake.connector import SnowflakeConnection
from snowflake.connector import errors as snowflake_errors

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.settings import TRIGGERED
from dropship_dagster.warehouse.connection import connect, does_not_exist, message_of
from dropship_dagster.warehouse.errors import DeploymentError, NotDeployedError
from dropship_dagster.warehouse.reports import Report
from dropship_dagster.warehouse.scripts import SQL_DIR, Script, admin_role, read_scripts, schedule_clause, variables_of

logger = logging.getLogger(__name__)

_PAUSES = (0.5, 2.0)

_RECORD = """
MERGE INTO OPS.SCHEMA_MIGRATIONS t
USING (SELECT ? AS FILE, ? AS CHECKSUM, ? AS STATEMENTS) s ON t.FILE = s.FILE
WHEN MATCHED THEN UPDATE SET CHECKSUM = s.CHECKSUM, STATEMENTS = s.STATEMENTS, APPLIED_AT = SYSDATE()
WHEN NOT MATCHED THEN INSERT (FILE, CHECKSUM, STATEMENTS, APPLIED_AT)
  VALUES (s.FILE, s.CHECKSUM, s.STATEMENTS, SYSDATE())
"""


@dataclass(frozen=True)
class DeployReport(Report):
    """What a deployment did.

    Attributes:
        database: the database deployed to.
        applied: files that were run.
        unchanged: files that were deployed before, as they are.
        statements: statements run.
        seconds: how long it took.
        left_out: files that only another role may run.
        schedule: what the graph's schedule is now.
    """

    database: str
    applied: tuple[str, ...]
    unchanged: tuple[str, ...]
    statements: int
    seconds: float
    left_out: tuple[str, ...] = ()
    schedule: str = ""


def deploy(
    endpoint: WarehouseEndpoint,
    *,
    folder: Path = SQL_DIR,
    accept_changed: Collection[str] = (),
    progress: Callable[[str], None] | None = None,
) -> DeployReport:
    """Bring the endpoint's database to what the folder says. Run twice, the second run changes nothing.

    Args:
        endpoint: where to; its role (by default ACCOUNTADMIN) makes database, warehouse and roles.
        folder: the SQL files.
        accept_changed: names of files deployed once that were changed since and whose change is known to be in the
            database: their new checksum is recorded, they are not run.
        progress: told the name of each file before it is run.

    Raises:
        DeploymentError: a statement fails, or a file that is deployed once was changed after it was deployed.
        CredentialsRefusedError, WarehouseUnavailableError: as `connect`.
    """
    began = time.monotonic()
    variables = variables_of(endpoint)
    scripts: list[Script] = []
    left_out: list[Script] = []
    for script in read_scripts(folder):
        (scripts if script.only_as in (None, admin_role(endpoint)) else left_out).append(script)
    applied, unchanged, statements = [], [], 0
    with connect(endpoint, query_tag="dropship deploy") as connection:
        deployed = _deployed(connection, endpoint.database)
        _refuse_changed(scripts, deployed, accept_changed)
        for script in scripts:
            if deployed.get(script.name) == script.checksum:
                unchanged.append(script.name)
                continue
            known = deployed.get(script.name)
            if known is not None and (script.name in accept_changed or known in script.replaces):
                _record(connection, script, len(script.statements(variables)))
                unchanged.append(script.name)
                continue
            if progress:
                progress(script.name)
            statements += _run_again_if_disturbed(connection, script, variables)
            applied.append(script.name)
        _reschedule(connection, endpoint)
    return DeployReport(
        endpoint.database,
        tuple(applied),
        tuple(unchanged),
        statements,
        round(time.monotonic() - began, 3),
        tuple(script.name for script in left_out),
        endpoint.refresh_schedule,
    )


def is_deployed(connection: SnowflakeConnection, database: str, folder: Path = SQL_DIR) -> bool:
    """Whether every file of the folder is deployed as it is, but for those that only another role may run."""
    deployed = _deployed(connection, database)
    return all(deployed.get(script.name) == script.checksum for script in read_scripts(folder) if not script.only_as)


def prepare(endpoint: WarehouseEndpoint, *, progress: Callable[[str], None] | None = None) -> tuple[str, ...]:
    """See that the database is deployed: the local one is deployed now, an account is only looked at.

    On an account the programs run as roles that may not deploy, and a deployment is decided by somebody.

    Returns:
        The files that were run.

    Raises:
        NotDeployedError: the account's database is not deployed as this version has it.
        DeploymentError, CredentialsRefusedError, WarehouseUnavailableError: as `deploy`.
    """
    if not endpoint.is_account:
        return deploy(endpoint, progress=progress).applied
    with connect(endpoint, query_tag="dropship deployed?") as connection:
        if not is_deployed(connection, endpoint.database):
            raise NotDeployedError(
                f"Database {endpoint.database} is not deployed as this version has it, or the role may not read its "
                "OPS.SCHEMA_MIGRATIONS: run `dropship deploy` with SNOWFLAKE_ROLE set to the role that deploys "
                "(docs/snowflake.md), then start this again."
            )
    return ()


def _reschedule(connection: SnowflakeConnection, endpoint: WarehouseEndpoint) -> None:
    """Give the graph the schedule of the settings where it has another; one that was suspended stays so."""
    cursor = connection.cursor().execute(f"SHOW TASKS LIKE 'REFRESH' IN SCHEMA \"{endpoint.database}\".OPS")
    names = [column.name.lower() for column in cursor.description]
    tasks = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    clause = schedule_clause(endpoint.refresh_schedule)
    if not tasks or schedule_clause(str(tasks[0]["schedule"] or TRIGGERED)) == clause:
        return
    logger.info("The graph's schedule was %s and becomes %s", tasks[0]["schedule"], endpoint.refresh_schedule)
    task = f'"{endpoint.database}".OPS.REFRESH'
    statements = [f"ALTER TASK {task} SUSPEND", f"ALTER TASK {task} {f'SET {clause}' if clause else 'UNSET SCHEDULE'}"]
    if str(tasks[0]["state"]).lower() == "started":
        statements.append(f"ALTER TASK {task} RESUME")
    for statement in statements:
        try:
            connection.cursor().execute(statement)
        except snowflake_errors.Error as error:
            raise DeploymentError(f"The graph's schedule was not changed ({statement}): {message_of(error)}") from error


def _deployed(connection: SnowflakeConnection, database: str) -> dict[str, str]:
    """Checksums of the files the database was made from; none when it does not exist yet."""
    try:
        rows = connection.cursor().execute(f'SELECT FILE, CHECKSUM FROM "{database}".OPS.SCHEMA_MIGRATIONS').fetchall()
    except snowflake_errors.ProgrammingError as error:
        if does_not_exist(error):
            return {}
        raise
    return {str(file): str(checksum) for file, checksum in rows}


def _refuse_changed(scripts: list[Script], deployed: dict[str, str], accepted: Collection[str]) -> None:
    for script in scripts:
        before = deployed.get(script.name)
        known = {None, script.checksum, *script.replaces}
        if script.when == "once" and before not in known and script.name not in accepted:
            raise DeploymentError(
                f"sql/{script.name} was changed after it was deployed, and it holds tables with data. Put the change "
                "into a new file (say sql/06_change.sql, '-- deploy: once', ALTER ... IF EXISTS) and restore this one. "
                "If the database already agrees with the file, accept it: "
                f"dropship deploy --accept-changed {script.name}"
            )


def _run_again_if_disturbed(connection: SnowflakeConnection, script: Script, variables: dict[str, str]) -> int:
    """Run a file; when it fails, once or twice more.

    Two deployments at once disturb each other (one resumes the graph while the other replaces its tasks). Each file can
    be run twice, and pauses of random length let one of them go first.
    """
    for pause in _PAUSES:
        try:
            return _run(connection, script, variables)
        except DeploymentError as error:
            logger.warning("%s Running it again.", error)
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
    return _run(connection, script, variables)


def _run(connection: SnowflakeConnection, script: Script, variables: dict[str, str]) -> int:
    statements = list(script.located(variables))
    logger.info("Deploying %s: %d statements", script.name, len(statements))
    for file, number, statement in statements:
        try:
            connection.cursor().execute(statement)
        except snowflake_errors.Error as error:
            first_line = statement.splitlines()[0]
            raise DeploymentError(
                f"sql/{file}, statement {number} ({first_line}): {message_of(error)} What ran before it stays; "
                "deploy again once the cause is gone."
            ) from error
    _record(connection, script, len(statements))
    return len(statements)


def _record(connection: SnowflakeConnection, script: Script, statements: int) -> None:
    connection.cursor().execute(_RECORD, (script.name, script.checksum, statements))
