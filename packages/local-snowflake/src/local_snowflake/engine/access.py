"""Roles, ownership and grants, as they are now, and what follows from them.

Source: docs.snowflake.com/en/user-guide/security-access-control-overview, .../security-access-control-privileges,
.../sql-reference/sql/grant-privilege (future grants). What has no recorded owner belongs to ACCOUNTADMIN.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb

from local_snowflake.engine.store import Store
from local_snowflake.syntax.names import Name

ADMINISTRATOR = "ACCOUNTADMIN"
PUBLIC = "PUBLIC"
OWNERSHIP, USAGE, SELECT = "OWNERSHIP", "USAGE", "SELECT"
MANAGE_GRANTS = "MANAGE GRANTS"
SYSTEM_ROLES = ("ACCOUNTADMIN", "ORGADMIN", "PUBLIC", "SECURITYADMIN", "SYSADMIN", "USERADMIN")
ACCOUNT_KINDS = ("ACCOUNT", "DATABASE", "WAREHOUSE", "ROLE", "USER", "RESOURCE MONITOR")

_HIERARCHY = {"ACCOUNTADMIN": ("SYSADMIN", "SECURITYADMIN"), "SECURITYADMIN": ("USERADMIN",)}
_OF_SYSTEM_ROLES = {
    "SYSADMIN": ("CREATE DATABASE", "CREATE WAREHOUSE"),
    "SECURITYADMIN": (MANAGE_GRANTS,),
    "USERADMIN": ("CREATE ROLE", "CREATE USER"),
}
"""docs.snowflake.com/en/user-guide/security-access-control-overview#system-defined-roles"""


_WAREHOUSES = "MANAGE WAREHOUSES"
_OF_EVERY_WAREHOUSE = (None, "MODIFY", "MONITOR", "OPERATE")
"""What MANAGE WAREHOUSES, a privilege on the account, stands for on every warehouse; ACCOUNTADMIN has it."""


class Securable(NamedTuple):
    """What privileges are granted on: a kind, and the parts of a name in full."""

    kind: str
    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        return ".".join(self.parts)

    @property
    def key(self) -> tuple[str, str]:
        """Tables and views share their names."""
        return ("TABLE" if self.kind == "VIEW" else self.kind), self.text


def in_schema(kind: str, name: Name) -> Securable:
    """An object of a schema."""
    return Securable(kind, (name.database, name.schema, name.name))


ACCOUNT = Securable("ACCOUNT", ())


class Need(NamedTuple):
    """A privilege that a statement needs.

    Attributes:
        privilege: None for any privilege at all.
        view: the view whose owner needs it, instead of the roles of the session.
    """

    privilege: str | None
    on: Securable
    view: Securable | None = None


@dataclass(frozen=True)
class Grant:
    """A privilege on an object, in the hands of a role."""

    privilege: str
    on: Securable
    role: str
    option: bool


@dataclass(frozen=True)
class FutureGrant:
    """A privilege that a role gets on every new object of a kind in a database, or in one schema of it."""

    privilege: str
    kind: str
    database: str
    schema: str | None
    role: str
    option: bool


class Snapshot:
    """All grants at one moment. It is never changed: another one takes its place."""

    def __init__(self, rows: Iterable[tuple[Any, ...]], future: Iterable[tuple[Any, ...]], user: str) -> None:
        self._inherited: dict[str, set[str]] = defaultdict(set)
        self._of_users: dict[str, set[str]] = defaultdict(set)
        self._owners: dict[tuple[str, str], str] = {}
        self._held: dict[tuple[str, str], dict[str, dict[str, bool]]] = defaultdict(dict)
        self._closures: dict[frozenset[str], frozenset[str]] = {}
        self.future = [FutureGrant(*row) for row in future]
        for above, below in _HIERARCHY.items():
            self._inherited[above].update(below)
        for role, privileges in _OF_SYSTEM_ROLES.items():
            self._held[ACCOUNT.key][role] = dict.fromkeys(privileges, True)
        self._of_users[user].add(ADMINISTRATOR)
        for privilege, kind, name, granted_to, grantee, option in rows:
            self._add(privilege, kind, "" if kind == "ACCOUNT" else name, granted_to, grantee, bool(option))
        self.owning = frozenset({ADMINISTRATOR, *self._owners.values()})

    def _add(self, privilege: str, kind: str, name: str, granted_to: str, grantee: str, option: bool) -> None:
        if kind in ("ROLE", "DATABASE ROLE") and privilege == USAGE:
            (self._of_users if granted_to == "USER" else self._inherited)[grantee].add(name)
            return
        key = ("TABLE" if kind == "VIEW" else kind, name)
        if privilege == OWNERSHIP:
            self._owners[key] = grantee
        else:
            self._held[key].setdefault(grantee, {})[privilege] = option

    def closure(self, roles: Iterable[str]) -> frozenset[str]:
        """The roles with all that they inherit."""
        begun = frozenset(roles)
        known = self._closures.get(begun)
        if known is None:
            found, todo = {PUBLIC}, list(begun)
            while todo:
                role = todo.pop()
                if role not in found:
                    found.add(role)
                    todo.extend(self._inherited.get(role, ()))
            known = self._closures[begun] = frozenset(found)
        return known

    def roles_of(self, user: str) -> frozenset[str]:
        """The roles that a user may take, granted directly or inherited."""
        return self.closure(self._of_users.get(user, ()))

    def direct_roles_of(self, user: str) -> frozenset[str]:
        return frozenset(self._of_users.get(user, ()))

    def inherits(self, role: str, other: str) -> bool:
        return other in self.closure([role])

    def owner(self, on: Securable) -> str:
        return self._owners.get(on.key, ADMINISTRATOR)

    def recorded(self, on: Securable) -> bool:
        """Whether anything is recorded of an object."""
        return on.key in self._owners or on.key in self._held

    def may(self, active: frozenset[str], privilege: str | None, on: Securable) -> bool:
        """Whether roles have a privilege on an object; None for any privilege. The owner has all of them."""
        if self.owner(on) in active:
            return True
        if on.kind == "WAREHOUSE" and privilege in _OF_EVERY_WAREHOUSE and self.may(active, _WAREHOUSES, ACCOUNT):
            return True
        held = self._held.get(on.key)
        if not held:
            return False
        return any(privilege is None or privilege in held[role] for role in held.keys() & active)

    def may_grant(self, active: frozenset[str], privilege: str, on: Securable) -> bool:
        """Whether roles may pass a privilege on: as its owner, by MANAGE GRANTS or WITH GRANT OPTION."""
        if self.owner(on) in active or self.may(active, MANAGE_GRANTS, ACCOUNT):
            return True
        held = self._held.get(on.key, {})
        return privilege != OWNERSHIP and any(held[role].get(privilege) for role in held.keys() & active)

    def owns_all(self, active: frozenset[str]) -> bool:
        """Whether everything there is belongs to the roles, so that nothing can be refused."""
        return self.owning <= active

    def applying(self, on: Securable) -> list[FutureGrant]:
        """The future grants for a new object: those of its schema hide those of its database, for every role."""
        kind, database = on.kind, on.parts[0]
        schema = on.parts[1] if len(on.parts) > 2 else None
        of_kind = [grant for grant in self.future if grant.kind == kind and grant.database == database]
        of_schema = [grant for grant in of_kind if grant.schema is not None and grant.schema == schema]
        return of_schema or [grant for grant in of_kind if grant.schema is None]


class Access:
    """The recorded grants, and the snapshot of those that are committed.

    Attributes:
        now: replaced by another one whenever a grant changes.
    """

    def __init__(self, store: Store, user: str) -> None:
        self._store, self._user = store, user
        self._changed = False
        self._adopt()
        self.now = self._read()

    def _read(self) -> Snapshot:
        rows = self._store.query("SELECT privilege, granted_on, name, granted_to, grantee, grant_option FROM grants")
        future = self._store.query("SELECT * FROM future_grants")
        return Snapshot(rows, future, self._user)

    def reload(self) -> None:
        self._changed = False
        self.now = self._read()

    def reload_if_changed(self) -> None:
        """Read the committed state after a definition that changed it."""
        if self._changed:
            self.reload()

    def _adopt(self) -> None:
        """Take over a file whose grants were recorded and not enforced, once.

        Who had made an object was not recorded: what is in a schema on which exactly one role was granted all
        privileges is taken to be made by that role, everything else by ACCOUNTADMIN.
        """
        if self._store.query("SELECT 1 FROM enforced"):
            return
        with self._store.control() as connection:
            connection.execute("INSERT INTO enforced VALUES (now())")
            makers = connection.execute(
                "SELECT name, any_value(grantee) FROM grants WHERE privilege IN ('ALL', 'ALL PRIVILEGES') "
                "AND granted_on = 'SCHEMA' AND granted_to = 'ROLE' GROUP BY name HAVING count(DISTINCT grantee) = 1"
            ).fetchall()
            for schema, role in makers:
                for privilege in PRIVILEGES["SCHEMA"]:
                    _insert(connection, Grant(privilege, Securable("SCHEMA", (schema,)), role, False), "")
                for kind, source in _OBJECTS.items():
                    for (name,) in connection.execute(source, [schema]).fetchall():
                        owned = Securable(kind, (*schema.split(".", 1), name))
                        _insert(connection, Grant(OWNERSHIP, owned, role, True), "")
            connection.execute("DELETE FROM grants WHERE privilege IN ('ALL', 'ALL PRIVILEGES')")

    # what definitions change, in their transaction ------------------------------------------------------------------

    def created(
        self, connection: duckdb.DuckDBPyConnection, on: Securable, role: str, *, copy_grants: bool = False
    ) -> None:
        """A new object belongs to the role that made it, and future grants apply to it."""
        coming = self.now.applying(on) if on.kind not in ACCOUNT_KINDS and not copy_grants else []
        if role == ADMINISTRATOR and not coming and not self.now.recorded(on) and not self._changed:
            return
        if copy_grants:
            _forget(connection, on, "AND privilege = 'OWNERSHIP'")
        else:
            _forget(connection, on)
        owner = next((grant.role for grant in coming if grant.privilege == OWNERSHIP), role)
        _insert(connection, Grant(OWNERSHIP, on, owner, True), role)
        for grant in coming:
            if grant.privilege != OWNERSHIP:
                _insert(connection, Grant(grant.privilege, on, grant.role, grant.option), role)
        self._changed = True

    def dropped(self, connection: duckdb.DuckDBPyConnection, on: Securable) -> None:
        """Forget the grants on an object, and on all that is in it."""
        _forget(connection, on)
        if on.kind in ("DATABASE", "SCHEMA"):
            connection.execute("DELETE FROM _sf.grants WHERE starts_with(name, ?)", [f"{on.text}."])
            where = ["database = ?", "schema = ?"][: len(on.parts)]
            connection.execute(f"DELETE FROM _sf.future_grants WHERE {' AND '.join(where)}", list(on.parts))
        elif on.kind == "ROLE":
            owner = self.now.owner(on)  # what the role owned goes to the role that owned it
            connection.execute(
                "UPDATE _sf.grants SET grantee = ? WHERE privilege = 'OWNERSHIP' AND grantee = ?", [owner, on.text]
            )
            connection.execute("DELETE FROM _sf.grants WHERE granted_to = 'ROLE' AND grantee = ?", [on.text])
            connection.execute("DELETE FROM _sf.future_grants WHERE grantee = ?", [on.text])
        elif on.kind == "USER":
            connection.execute("DELETE FROM _sf.grants WHERE granted_to = 'USER' AND grantee = ?", [on.text])
        self._changed = True

    def renamed(self, connection: duckdb.DuckDBPyConnection, old: Securable, new: Securable) -> None:
        connection.execute(
            "UPDATE _sf.grants SET name = ? WHERE name = ? AND granted_on IN ('TABLE', 'VIEW')", [new.text, old.text]
        )
        self._changed = True

    # GRANT and REVOKE -----------------------------------------------------------------------------------------------

    def grant(self, grants: Iterable[Grant], by: str) -> None:
        """Grant privileges. Ownership takes the place of the old owner's."""
        with self._store.control() as connection:
            for grant in grants:
                if grant.privilege == OWNERSHIP:
                    _forget(connection, grant.on, "AND privilege = 'OWNERSHIP'")
                _remove(connection, grant)
                _insert(connection, grant, by)
        self.reload()

    def revoke(self, grants: Iterable[Grant], *, option_only: bool = False) -> None:
        with self._store.control() as connection:
            for grant in grants:
                if option_only:
                    connection.execute(f"UPDATE grants SET grant_option = FALSE WHERE {_THE_GRANT}", _key(grant))
                else:
                    _remove(connection, grant)
        self.reload()

    def forget_others(self, on: Securable) -> None:
        """REVOKE CURRENT GRANTS: every privilege on an object but its ownership."""
        with self._store.control() as connection:
            _forget(connection, on, "AND privilege <> 'OWNERSHIP'")
        self.reload()

    def grant_role(self, role: str, granted_to: str, grantee: str, by: str, *, revoke: bool) -> None:
        """A granted role is the privilege USAGE on it."""
        with self._store.control() as connection:
            connection.execute(
                "DELETE FROM grants WHERE privilege = 'USAGE' AND granted_on = 'ROLE' AND name = ? "
                "AND granted_to = ? AND grantee = ?",
                [role, granted_to, grantee],
            )
            if not revoke:
                connection.execute(
                    "INSERT INTO grants VALUES (now(), 'USAGE', 'ROLE', ?, ?, ?, FALSE, ?)",
                    [role, granted_to, grantee, by],
                )
        self.reload()

    def grant_future(self, grants: Iterable[FutureGrant], *, revoke: bool) -> None:
        with self._store.control() as connection:
            for grant in grants:
                connection.execute(
                    "DELETE FROM future_grants WHERE privilege = ? AND kind = ? AND database = ? "
                    "AND schema IS NOT DISTINCT FROM ? AND grantee = ?",
                    [grant.privilege, grant.kind, grant.database, grant.schema, grant.role],
                )
                if not revoke:
                    connection.execute(
                        "INSERT INTO future_grants VALUES (?, ?, ?, ?, ?, ?)",
                        [grant.privilege, grant.kind, grant.database, grant.schema, grant.role, grant.option],
                    )
        self.reload()

    def shown(self, where: str, arguments: list[str]) -> list[tuple[Any, ...]]:
        """Rows of SHOW GRANTS."""
        return self._store.query(
            "SELECT created, privilege, granted_on, name, granted_to, grantee, grant_option, granted_by FROM grants "
            f"WHERE {where} ORDER BY name, privilege",
            arguments,
        )


PRIVILEGES: Mapping[str, tuple[str, ...]] = {
    "ACCOUNT": (
        "CREATE DATABASE", "CREATE WAREHOUSE", "CREATE ROLE", "CREATE USER", "EXECUTE TASK", "EXECUTE MANAGED TASK",
        "MANAGE GRANTS", "MONITOR EXECUTION", "MONITOR USAGE", "MANAGE WAREHOUSES",
    ),
    "DATABASE": ("CREATE SCHEMA", "CREATE DATABASE ROLE", "MODIFY", "MONITOR", "USAGE"),
    "SCHEMA": (
        "CREATE FILE FORMAT", "CREATE SEQUENCE", "CREATE STAGE", "CREATE STREAM", "CREATE TABLE", "CREATE TASK",
        "CREATE VIEW", "CREATE FUNCTION", "CREATE PROCEDURE", "CREATE PIPE", "CREATE MATERIALIZED VIEW",
        "CREATE DYNAMIC TABLE", "CREATE EXTERNAL TABLE", "MODIFY", "MONITOR", "USAGE",
    ),
    "WAREHOUSE": ("MODIFY", "MONITOR", "OPERATE", "USAGE"),
    "RESOURCE MONITOR": ("MODIFY", "MONITOR"),
    "USER": ("MONITOR",),
    "ROLE": (),
    "TABLE": ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "EVOLVE SCHEMA"),
    "VIEW": ("SELECT", "REFERENCES"),
    "STREAM": ("SELECT",),
    "TASK": ("MONITOR", "OPERATE"),
    "STAGE": ("READ", "WRITE", "USAGE"),
    "FILE FORMAT": ("USAGE",),
    "SEQUENCE": ("USAGE",),
}  # fmt: skip
"""The privileges of each kind of object, beside OWNERSHIP; what ALL PRIVILEGES stands for."""

_OF_SCHEMA = "schema_name = ? AND database_name = current_database()"
_OBJECTS = {
    "TABLE": f"SELECT table_name FROM duckdb_tables() WHERE {_OF_SCHEMA}",
    "VIEW": f"SELECT view_name FROM duckdb_views() WHERE {_OF_SCHEMA}",
    **{kind: f"SELECT name FROM _sf.{table} WHERE database || '.' || schema = ?" for kind, table in (
        ("STREAM", "streams"), ("TASK", "tasks"), ("STAGE", "stages"), ("FILE FORMAT", "file_formats"),
        ("SEQUENCE", "sequences"))},
}  # fmt: skip
"""The objects of each kind in a schema."""


def objects_of(connection: duckdb.DuckDBPyConnection, kind: str, database: str, schema: str) -> list[Securable]:
    """The objects of a kind in a schema; none for a kind that is not kept here."""
    source = _OBJECTS.get(kind)
    if source is None:
        return []
    rows = connection.execute(source, [f"{database}.{schema}"]).fetchall()
    return [Securable(kind, (database, schema, name)) for (name,) in sorted(rows)]


_THE_GRANT = "privilege = ? AND granted_on = ? AND name = ? AND granted_to = 'ROLE' AND grantee = ?"


def _key(grant: Grant) -> list[str]:
    return [grant.privilege, grant.on.kind, grant.on.text, grant.role]


def _insert(connection: duckdb.DuckDBPyConnection, grant: Grant, by: str) -> None:
    connection.execute(
        "INSERT INTO _sf.grants VALUES (now(), ?, ?, ?, 'ROLE', ?, ?, ?)",
        [grant.privilege, grant.on.kind, grant.on.text, grant.role, grant.option, by],
    )


def _remove(connection: duckdb.DuckDBPyConnection, grant: Grant) -> None:
    connection.execute(f"DELETE FROM _sf.grants WHERE {_THE_GRANT}", _key(grant))


def _forget(connection: duckdb.DuckDBPyConnection, on: Securable, which: str = "") -> None:
    kinds = ("TABLE", "VIEW") if on.kind in ("TABLE", "VIEW") else (on.kind, on.kind)
    connection.execute(f"DELETE FROM _sf.grants WHERE granted_on IN (?, ?) AND name = ? {which}", [*kinds, on.text])
