"""A Snowflake account, step by step: credential, reach, log-in, clock, role, warehouse, privileges, objects.

A step that fails ends the examination where the next one could only fail with it.
"""

from __future__ import annotations

import datetime as dt
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import Error as SnowflakeError

from dropship_dagster.cli.doctor.finding import Finding
from dropship_dagster.endpoints import WarehouseEndpoint, warehouse_endpoint
from dropship_dagster.errors import DropshipError
from dropship_dagster.settings import Settings, SettingsError
from dropship_dagster.warehouse.connection import message_of, open_connection
from dropship_dagster.warehouse.deployment import is_deployed
from dropship_dagster.warehouse.scripts import DEFAULT_ADMIN_ROLE, read_scripts, variables_of

_REACH_SECONDS = 10.0
# A key pair's token is refused beyond this (docs.snowflake.com/en/developer-guide/sql-api/authenticating).
_MOST_CLOCK_SECONDS = 60.0
# What deploying from nothing takes; docs.snowflake.com/en/user-guide/security-access-control-privileges. Future grants
# take MANAGE GRANTS, and EXECUTE TASK is granted on to the role of the tasks.
_TO_DEPLOY = ("CREATE DATABASE", "CREATE ROLE", "CREATE WAREHOUSE", "EXECUTE TASK", "MANAGE GRANTS")
_GRANTED_ON = "EXECUTE TASK"
_PROJECT_ROLES = ("LOADER", "TRANSFORMER", "READER", "ORCHESTRATOR")
_GRANT = re.compile(
    r'^GRANT ([A-Z, ]+) ON (ACCOUNT|WAREHOUSE|DATABASE|SCHEMA|TABLE|STAGE|TASK)(?: ([\w."$]+))? TO ROLE "([^"]+)"$'
)
_CREATED = re.compile(
    r"^CREATE (?:OR REPLACE )?(?:TRANSIENT )?(TABLE|VIEW|STREAM|TASK|STAGE) (?:IF NOT EXISTS )?(\w+\.\w+)", re.MULTILINE
)


def account(config: Settings) -> Iterator[Finding]:
    """Every step, as far as they go."""
    try:
        endpoint = warehouse_endpoint(config)
    except SettingsError as error:
        yield Finding("credential", False, str(error), "mend what it says, then look again")
        return
    reached = _reach(config)
    yield reached
    if not reached.ok:
        return
    try:
        # Without role, database and warehouse: whether those are there is for the steps to say.
        plain = {name: value for name, value in endpoint.connect_args.items() if name != "role"}
        connection = open_connection(replace(endpoint, connect_args=plain), query_tag="dropship doctor")
    except DropshipError as error:
        yield Finding("log-in", False, " ".join(str(error).split()), _login_fix(config))
        return
    try:
        yield from _steps(config, endpoint, connection)
    except SnowflakeError as error:
        yield Finding("account", False, message_of(error), "see docs/snowflake.md; ask the account's administrator")
    finally:
        connection.close()


def _steps(config: Settings, endpoint: WarehouseEndpoint, connection: SnowflakeConnection) -> Iterator[Finding]:
    user, release = _row(connection, "SELECT CURRENT_USER(), CURRENT_VERSION()")
    yield Finding("log-in", True, f"user {user}, {_credential(config)}, release {release}")
    yield _clock(connection)
    role = _role(config, connection, user)
    yield role
    if not role.ok:
        return
    name = config.snowflake_role or DEFAULT_ADMIN_ROLE
    made = [row for row in _show(connection, "DATABASES") if row["name"] == endpoint.database]
    yield _privileges(connection, name, endpoint, deployed=bool(made))
    warehouse = _warehouse(endpoint, connection)
    yield warehouse
    if not made:
        fix = "dropship deploy makes the database and everything in it"
        yield Finding("objects", False, f"database {endpoint.database} does not exist, or {name} may not see it", fix)
    elif warehouse.ok:
        yield from _objects(endpoint, connection)


def _reach(config: Settings) -> Finding:
    host = config.snowflake_host or f"{config.snowflake_account.replace('_', '-')}.snowflakecomputing.com"
    port = config.snowflake_port or 443
    fix = (
        "check SNOWFLAKE_ACCOUNT (organization-account, without .snowflakecomputing.com) and that this network lets "
        f"you out to {host}:{port}; behind a proxy set HTTPS_PROXY, for a private link SNOWFLAKE_HOST"
    )
    try:
        with socket.create_connection((host, port), timeout=_REACH_SECONDS) as connected:
            address = connected.getpeername()[0]
    except OSError as error:
        return Finding("reach", False, f"{host}:{port}: {error.strerror or error}", fix)
    return Finding("reach", True, f"{host}:{port} ({address})")


def _credential(config: Settings) -> str:
    if config.snowflake_private_key_path or config.snowflake_private_key:
        return "key pair"
    return "programmatic access token" if config.snowflake_token else "password"


def _login_fix(config: Settings) -> str:
    kind = _credential(config)
    if kind == "key pair":
        return (
            "register the public key (ALTER USER ... SET RSA_PUBLIC_KEY), compare its fingerprint with DESC USER, and "
            "see that this machine's clock is right (docs/snowflake.md)"
        )
    if kind == "password":
        return "check SNOWFLAKE_USER and SNOWFLAKE_PASSWORD; a service user needs a key pair (docs/snowflake.md)"
    return "check SNOWFLAKE_USER and SNOWFLAKE_TOKEN: is it expired, disabled, or bound to another role or network?"


def _clock(connection: SnowflakeConnection) -> Finding:
    before = dt.datetime.now(dt.UTC)
    (theirs,) = _row(connection, "SELECT SYSDATE()")
    ours = before + (dt.datetime.now(dt.UTC) - before) / 2
    off = (ours - theirs.replace(tzinfo=dt.UTC)).total_seconds()
    seen = f"this machine is {abs(off):.1f} s {'ahead' if off > 0 else 'behind'}"
    fix = "set this machine's clock (chronyd, ntpd, timedatectl set-ntp true): key pairs are refused beyond a minute"
    return Finding("clock", abs(off) <= _MOST_CLOCK_SECONDS, seen, fix)


def _role(config: Settings, connection: SnowflakeConnection, user: str) -> Finding:
    wanted = config.snowflake_role or DEFAULT_ADMIN_ROLE
    fix = f'GRANT ROLE "{wanted}" TO USER "{user}" (by an administrator), or set SNOWFLAKE_ROLE to a role of yours'
    try:
        connection.cursor().execute(f'USE ROLE "{wanted}"')
    except SnowflakeError as error:
        return Finding("role", False, f"{wanted}: {message_of(error)}", fix)
    if wanted not in {row["name"] for row in _show(connection, "ROLES")}:
        return Finding("role", False, f"{wanted} does not exist", fix)
    note = "" if config.snowflake_role else ", the default: set SNOWFLAKE_ROLE to use less"
    return Finding("role", True, f"{wanted}{note}")


def _privileges(connection: SnowflakeConnection, role: str, endpoint: WarehouseEndpoint, *, deployed: bool) -> Finding:
    """What the role lacks to deploy; once that is done, what it and the project's roles that it uses lack."""
    grants = _show(connection, f'GRANTS TO ROLE "{role}"')
    parts = [f"{endpoint.database}_{part}" for part in _PROJECT_ROLES]
    fixes: list[str] = []
    if deployed:
        # A program of its own runs as one of the four and needs no other.
        held = {row["name"] for row in grants if row["granted_on"] == "ROLE"}
        lacked = [name for name in parts if name not in held and role not in (*parts, DEFAULT_ADMIN_ROLE)]
        fixes += [f'GRANT ROLE "{name}" TO ROLE "{role}"' for name in lacked]
        for name in [role] if role in parts else parts:
            fixes += _lacked(connection, name, endpoint)
    elif role != DEFAULT_ADMIN_ROLE:
        has = {row["privilege"]: str(row["grant_option"]).lower() for row in grants if row["granted_on"] == "ACCOUNT"}
        for privilege in _TO_DEPLOY:
            option = " WITH GRANT OPTION" if privilege == _GRANTED_ON else ""
            if privilege not in has or (option and has[privilege] != "true"):
                fixes.append(f'GRANT {privilege} ON ACCOUNT TO ROLE "{role}"{option}')
    if not fixes:
        return Finding("privileges", True, f"{role} has what it needs")
    seen = f"{role} lacks {', '.join(_short(fix) for fix in fixes)}"
    hint = "" if deployed else f", or deploy once with SNOWFLAKE_ROLE={DEFAULT_ADMIN_ROLE}"
    return Finding("privileges", False, seen, "; ".join(fixes) + hint)


def _lacked(connection: SnowflakeConnection, role: str, endpoint: WarehouseEndpoint) -> list[str]:
    """The grants of sql/ to a project's role that are not there, as statements. What is granted on ALL or FUTURE is not
    looked for."""
    try:
        rows = _show(connection, f'GRANTS TO ROLE "{role}"')
    except SnowflakeError:
        return []  # a role that may not be seen is one that is not granted, which is named already
    warehouses = {row["name"] for row in _show(connection, "WAREHOUSES")}
    held = {(row["privilege"], row["granted_on"], str(row["name"]).replace('"', "")) for row in rows}
    missing = []
    for statement in (each for script in read_scripts() for each in script.statements(variables_of(endpoint))):
        found = _GRANT.match(" ".join(statement.split()))
        if not found or found[4] != role or found[1] == "ALL PRIVILEGES":
            continue
        name = (found[3] or "").replace('"', "")
        if found[2] == "WAREHOUSE" and name not in warehouses:
            continue  # named by a step of its own
        full = f"{endpoint.database}.{name}" if found[2] in ("SCHEMA", "TABLE", "STAGE", "TASK") else name
        for privilege in found[1].split(", "):
            there = any(held_on == found[2] and held_as == privilege and named.endswith(full)
                        for held_as, held_on, named in held)  # fmt: skip
            if not there:
                missing.append(f'GRANT {privilege} ON {found[2]} {full} TO ROLE "{role}"'.replace("  ", " "))
    return missing


def _short(fix: str) -> str:
    return re.sub(r'^GRANT (ROLE )?| TO ROLE .*$|"', "", fix)


def _warehouse(endpoint: WarehouseEndpoint, connection: SnowflakeConnection) -> Finding:
    name = endpoint.warehouse
    found = [row for row in _show(connection, "WAREHOUSES") if row["name"] == name]
    if not found:
        fix = "dropship deploy makes it; or set SNOWFLAKE_WAREHOUSE to one that you may use"
        return Finding("warehouse", False, f"{name} does not exist, or the role has no USAGE on it", fix)
    try:
        connection.cursor().execute(f'USE WAREHOUSE "{name}"')
    except SnowflakeError as error:
        return Finding("warehouse", False, f"{name}: {message_of(error)}", f'GRANT USAGE ON WAREHOUSE "{name}" TO ROLE')
    (row,) = found
    suspends = row.get("auto_suspend")
    seen = f"{name}, {row['size']}, {row['state']}, suspends itself after {suspends} s"
    ok = suspends not in (None, 0, "0", "NULL")
    return Finding("warehouse", ok, seen, f'it costs day and night: ALTER WAREHOUSE "{name}" SET AUTO_SUSPEND = 60')


def _objects(endpoint: WarehouseEndpoint, connection: SnowflakeConnection) -> Iterator[Finding]:
    connection.cursor().execute(f'USE DATABASE "{endpoint.database}"')
    current = is_deployed(connection, endpoint.database)
    seen = "every file of sql/ is deployed as it is" if current else "files of sql/ are not deployed as they are"
    yield Finding("deployment", current, seen, "dropship deploy")
    wanted: dict[str, set[str]] = {}
    for script in read_scripts():
        for kind, name in _CREATED.findall(script.text):
            wanted.setdefault(kind, set()).add(name)
    missing = []
    for kind, names in sorted(wanted.items()):
        rows = _show(connection, f'{kind}S IN DATABASE "{endpoint.database}"')
        there = {f"{row['schema_name']}.{row['name']}" for row in rows}
        missing += sorted(names - there)
        if kind == "STREAM":
            yield _streams(rows, names)
        if kind == "TASK":
            yield _tasks(rows)
    count = sum(len(names) for names in wanted.values())
    seen = f"{', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''} missing" if missing else f"all {count} there"
    fix = (
        "dropped by hand? UNDROP what held data, or DELETE FROM OPS.SCHEMA_MIGRATIONS the file that makes it and run "
        "dropship deploy"
    )
    yield Finding("objects", not missing, seen, fix)


def _streams(rows: list[dict[str, Any]], names: set[str]) -> Finding:
    stale = sorted(row["name"] for row in rows if str(row["stale"]).lower() == "true")
    seen = f"{', '.join(stale)} stale" if stale else f"{len(names)} streams, none stale"
    fix = "what they had not read is in RAW or STAGING still: docs/operations.md, 'A stream went stale'"
    return Finding("streams", not stale, seen, fix)


def _tasks(rows: list[dict[str, Any]]) -> Finding:
    suspended = sorted(row["name"] for row in rows if row["state"] != "started")
    schedule = next((row["schedule"] for row in rows if row["name"] == "REFRESH"), None)
    runs = f"runs by the schedule {schedule}" if schedule else "is triggered by its streams"
    seen = f"{', '.join(suspended)} suspended" if suspended else f"{len(rows)} tasks, all resumed; the graph {runs}"
    fix = (
        "to let the schedule run again: SELECT SYSTEM$TASK_DEPENDENTS_ENABLE('OPS.REFRESH'). Suspended on purpose, to "
        "save credits? Then dropship refresh runs the graph when you want it"
    )
    return Finding("tasks", not suspended, seen, fix)


def _row(connection: SnowflakeConnection, sql: str) -> tuple[Any, ...]:
    row = connection.cursor().execute(sql).fetchone()
    return row if isinstance(row, tuple) else ()


def _show(connection: SnowflakeConnection, what: str) -> list[dict[str, Any]]:
    cursor = connection.cursor().execute(f"SHOW {what}")
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
