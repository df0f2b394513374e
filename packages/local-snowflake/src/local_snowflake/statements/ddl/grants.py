"""GRANT and REVOKE: of privileges on objects that are there and on those to come, of ownership, and of roles.

Source: docs.snowflake.com/en/sql-reference/sql/grant-privilege, .../grant-ownership, .../grant-role and
.../revoke-privilege.
"""

from __future__ import annotations

from dataclasses import dataclass

from local_snowflake.engine.access import (
    ACCOUNT,
    ACCOUNT_KINDS,
    MANAGE_GRANTS,
    OWNERSHIP,
    PRIVILEGES,
    FutureGrant,
    Grant,
    Securable,
    objects_of,
)
from local_snowflake.engine.catalog import kind_of
from local_snowflake.engine.stages import Stages
from local_snowflake.errors import Code, SnowflakeError, insufficient, missing, refuse, syntax
from local_snowflake.results import Result, status
from local_snowflake.session.session import Session
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.names import Name

_PLURALS = {
    "SCHEMAS": "SCHEMA", "TABLES": "TABLE", "VIEWS": "VIEW", "STREAMS": "STREAM", "TASKS": "TASK", "STAGES": "STAGE",
    "FILE FORMATS": "FILE FORMAT", "SEQUENCES": "SEQUENCE", "FUNCTIONS": "FUNCTION", "PROCEDURES": "PROCEDURE",
    "PIPES": "PIPE", "EXTERNAL TABLES": "EXTERNAL TABLE", "DYNAMIC TABLES": "DYNAMIC TABLE",
    "MATERIALIZED VIEWS": "MATERIALIZED VIEW",
}  # fmt: skip
_SINGULARS = (*ACCOUNT_KINDS[1:], *_PLURALS.values())
_SUCCEEDED = "Statement executed successfully."


@dataclass
class _Target:
    """What is granted on: one object, or a kind of objects in a database or schema.

    Attributes:
        every: ALL or FUTURE; empty for one object.
    """

    on: Securable
    every: str = ""
    kind: str = ""


@dataclass
class _To:
    kind: str
    name: str


def run(session: Session, cursor: Cursor) -> Result:
    """GRANT and REVOKE."""
    revoke = cursor.accept("REVOKE")
    if not revoke:
        cursor.expect("GRANT")
    option_only = revoke and cursor.accept("GRANT", "OPTION", "FOR")
    if (cursor.word() == "ROLE" or (cursor.word(), cursor.word(1)) == ("DATABASE", "ROLE")) and cursor.word(2):
        cursor.accept("DATABASE")
        cursor.accept("ROLE")
        return _role(session, cursor, revoke=revoke)
    privileges = _privileges(cursor)
    cursor.expect("ON")
    target = _target(session, cursor)
    cursor.expect("FROM" if revoke else "TO")
    to = _grantee(session, cursor)
    if to.kind in ("USER", "SHARE"):
        refuse(f"privileges of a {to.kind.lower()}; grant them to a role")
    option = cursor.accept("WITH", "GRANT", "OPTION")
    copy = cursor.accept("COPY", "CURRENT", "GRANTS")
    others_go = not copy and cursor.accept("REVOKE", "CURRENT", "GRANTS")
    _ = cursor.accept("RESTRICT") or cursor.accept("CASCADE")
    cursor.end()
    session.commit()
    with session.engine.definitions:
        if target.every == "FUTURE":
            return _future(session, target, privileges, to.name, option=option, revoke=revoke)
        objects = _objects(session, target) if target.every else [target.on]
        if OWNERSHIP in privileges and not revoke:
            return _own(session, objects, to.name, copy=copy, others_go=others_go, every=bool(target.every))
        return _each(session, objects, privileges, to.name, option=option, revoke=revoke, option_only=option_only)


# reading ----------------------------------------------------------------------------------------------------------


def _privileges(cursor: Cursor) -> list[str]:
    found: list[list[str]] = [[]]
    while cursor.word() != "ON":
        if cursor.done:
            raise syntax("syntax error: expected ON")
        if cursor.accept(","):
            found.append([])
        else:
            found[-1].append(cursor.value().upper())
    words = [" ".join(part) for part in found]
    return ["ALL"] if words == ["ALL PRIVILEGES"] else words


def _kind(cursor: Cursor, kinds: tuple[str, ...]) -> str | None:
    return next((kind for kind in sorted(kinds, key=len, reverse=True) if cursor.accept(*kind.split())), None)


def _target(session: Session, cursor: Cursor) -> _Target:
    if cursor.accept("ACCOUNT"):
        return _Target(ACCOUNT)
    for every in ("ALL", "FUTURE"):
        if cursor.accept(every):
            plural = _kind(cursor, tuple(_PLURALS))
            if plural is None:
                raise syntax(f"syntax error: unexpected '{cursor.near()}' after {every}")
            cursor.expect("IN")
            place = "DATABASE" if cursor.accept("DATABASE") else "SCHEMA"
            if place == "SCHEMA":
                cursor.expect("SCHEMA")
            on = _named(session, place, cursor.name())
            _require_present(session, on)
            return _Target(on, every, _PLURALS[plural])
    kind = _kind(cursor, _SINGULARS) if cursor.word(1) not in (".", "TO", "FROM") else "TABLE"
    if kind is None:
        raise syntax(f"syntax error: unexpected '{cursor.near()}'")
    on = _named(session, kind, cursor.name())
    if cursor.accept("("):
        while not cursor.accept(")"):
            cursor.at += 1
    _require_present(session, on)
    return _Target(on)


def _named(session: Session, kind: str, parts: list[str]) -> Securable:
    if kind == "SCHEMA":
        return Securable(kind, (parts[-2] if len(parts) > 1 else session.require_database(), parts[-1]))
    if kind in ACCOUNT_KINDS:
        return Securable(kind, (".".join(parts),))
    name = session.qualify(parts)
    return Securable(kind, (name.database, name.schema, name.name))


def _grantee(session: Session, cursor: Cursor) -> _To:
    kind = _kind(cursor, ("DATABASE ROLE", "ROLE", "USER", "SHARE")) or "ROLE"
    to = _To(kind, ".".join(cursor.name()))
    objects = session.engine.objects
    if kind == "ROLE" and not objects.has_role(to.name):
        raise missing("Role", to.name)
    if kind == "USER" and to.name != session.engine.user and objects.find("USER", to.name) is None:
        raise missing("User", to.name)
    return to


def _require_present(session: Session, on: Securable) -> None:
    """Refuse a grant on what is not there, or not to be seen."""
    engine, catalog = session.engine, session.engine.catalog
    match on.kind:
        case "DATABASE":
            present = catalog.has_database(on.text)
        case "SCHEMA":
            present = catalog.has_schema(*on.parts)
        case "ROLE":
            present = engine.objects.has_role(on.text)
        case "USER":
            present = on.text == engine.user or engine.objects.find("USER", on.text) is not None
        case "WAREHOUSE" | "RESOURCE MONITOR":
            present = engine.objects.find(on.kind, on.text) is not None
        case _:
            present = _in_schema(session, on)
    if not present or not session.rights.sees(on):
        raise missing(on.kind.capitalize(), on.text)


def _in_schema(session: Session, on: Securable) -> bool:
    name, engine = Name(*on.parts), session.engine
    match on.kind:
        case "TABLE" | "VIEW":
            return kind_of(session.connection, name) is not None
        case "STREAM":
            return engine.streams.find(name) is not None
        case "TASK":
            return engine.tasks.get(name) is not None
        case "STAGE" | "FILE FORMAT" | "SEQUENCE":
            table = {"STAGE": "stages", "FILE FORMAT": "file_formats", "SEQUENCE": "sequences"}[on.kind]
            with engine.store.reading() as connection:
                return Stages.exists(connection, table, name)
    return False


def _objects(session: Session, target: _Target) -> list[Securable]:
    """The objects of ALL ... IN."""
    database, *rest = target.on.parts
    schemas = rest or session.engine.catalog.schemas_of(database)
    if target.kind == "SCHEMA":
        return [Securable("SCHEMA", (database, schema)) for schema in schemas]
    with session.engine.store.reading() as connection:
        return [found for schema in schemas for found in objects_of(connection, target.kind, database, schema)]


# granting ---------------------------------------------------------------------------------------------------------


def _of_kind(kind: str, privileges: list[str]) -> list[str]:
    """The privileges, ALL replaced by those of the kind.

    Raises:
        SnowflakeError: 001003, one of them is not of this kind.
    """
    known = PRIVILEGES.get(kind)
    if privileges == ["ALL"]:
        return list(known or ())
    unknown = next((p for p in privileges if known is not None and p not in (*known, OWNERSHIP)), None)
    if unknown is not None:
        raise syntax(f"syntax error: {unknown} is not a privilege on a {kind.lower()}")
    return privileges


def _each(
    session: Session, objects: list[Securable], privileges: list[str], role: str, *, option: bool, revoke: bool,
    option_only: bool,
) -> Result:  # fmt: skip
    done: list[Grant] = []
    refused: list[str] = []
    for on in objects:
        for privilege in _of_kind(on.kind, privileges):
            if session.rights.may_grant(privilege, on):
                done.append(Grant(privilege, on, role, option))
            else:
                refused.append(privilege)
    if refused and not done:
        raise SnowflakeError("Grant not executed: Insufficient privileges.", Code.NOT_GRANTED, "42501")
    if revoke:
        session.engine.access.revoke(done, option_only=option_only)
    else:
        session.engine.access.grant(done, session.role)
    if refused:
        raise SnowflakeError(
            f"Grant partially executed: privileges [{', '.join(sorted(set(refused)))}] not granted.",
            Code.PARTLY_GRANTED,
            "42501",
        )
    return status(_SUCCEEDED)


def _own(
    session: Session, objects: list[Securable], role: str, *, copy: bool, others_go: bool, every: bool
) -> Result:  # fmt: skip
    """GRANT OWNERSHIP: from the owner to another role."""
    access = session.engine.access
    for on in objects:
        if not session.rights.may_grant(OWNERSHIP, on):
            raise insufficient(on.kind, on.parts[-1])
        others = access.shown(
            "name = ? AND granted_on = ? AND privilege <> 'OWNERSHIP' AND granted_to = 'ROLE'", [on.text, on.kind]
        )
        if others and not copy and not others_go:
            raise SnowflakeError(
                f"SQL execution error:\nDependent grant of privilege '{others[0][1]}' on securable "
                f"'{on.text}' to role '{others[0][5]}' exists. It must be revoked first. More than one dependent grant "
                "may exist: use 'SHOW GRANTS' command to view them. To revoke all dependent grants while transferring "
                "object ownership, use convenience command 'GRANT OWNERSHIP ON <target_objects> TO <target_role> "
                "REVOKE CURRENT GRANTS'.",
                Code.DEPENDENT_GRANT,
                "42501",
            )
    for on in objects:
        if others_go:
            access.forget_others(on)
        _suspend(session, on)
    access.grant([Grant(OWNERSHIP, on, role, True) for on in objects], role)
    return status(f"Statement executed successfully. {len(objects)} objects affected." if every else _SUCCEEDED)


def _suspend(session: Session, on: Securable) -> None:
    """A task that gets another owner is suspended (grant-ownership, usage notes)."""
    task = session.engine.tasks.get(Name(*on.parts)) if on.kind == "TASK" else None
    if task is not None and task.state == "started":
        session.engine.tasks.suspend(task)


def _future(
    session: Session, target: _Target, privileges: list[str], role: str, *, option: bool, revoke: bool
) -> Result:  # fmt: skip
    """Future grants take MANAGE GRANTS (grant-privilege, "Future grants on database or schema objects")."""
    if not session.rights.manages_grants():
        raise insufficient(target.on.kind, target.on.parts[-1])
    database, *rest = target.on.parts
    schema = rest[0] if rest else None
    session.engine.access.grant_future(
        [FutureGrant(privilege, target.kind, database, schema, role, option)
         for privilege in _of_kind(target.kind, privileges)],
        revoke=revoke,
    )  # fmt: skip
    return status(_SUCCEEDED)


def _role(session: Session, cursor: Cursor, *, revoke: bool) -> Result:
    role = ".".join(cursor.name())
    cursor.expect("FROM" if revoke else "TO")
    to = _grantee(session, cursor)
    cursor.end()
    session.commit()
    if not session.engine.objects.has_role(role) and session.engine.objects.find("DATABASE ROLE", role) is None:
        raise missing("Role", role)
    with session.engine.definitions:
        on = Securable("ROLE", (role,))
        if not session.rights.may(OWNERSHIP, on) and not session.rights.may(MANAGE_GRANTS, ACCOUNT):
            raise insufficient("ROLE", role)
        if not revoke and to.kind != "USER" and session.engine.access.now.inherits(role, to.name):
            raise SnowflakeError(
                f"SQL execution error:\nRole '{to.name}' cannot have role '{role}', which it is granted to.",
                Code.ROLE_CYCLE, "42501",
            )  # fmt: skip
        session.engine.access.grant_role(role, to.kind, to.name, session.role, revoke=revoke)
    return status(_SUCCEEDED)
