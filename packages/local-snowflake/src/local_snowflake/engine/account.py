"""Warehouses, roles, users, resource monitors and grants: recorded and shown, never enforced."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from local_snowflake.engine.store import Store, first
from local_snowflake.syntax.names import like

KINDS = {
    "WAREHOUSE": "WAREHOUSES",
    "DATABASE ROLE": "DATABASE ROLES",
    "ROLE": "ROLES",
    "USER": "USERS",
    "RESOURCE MONITOR": "RESOURCE MONITORS",
}
"""Kind -> plural in SHOW."""
SYSTEM_ROLES = ("ACCOUNTADMIN", "ORGADMIN", "PUBLIC", "SECURITYADMIN", "SYSADMIN", "USERADMIN")


class Account:
    """The recorded objects and grants."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, kind_: str, name: str) -> dict[str, Any] | None:
        rows = self._store.query("SELECT properties FROM objects WHERE kind = ? AND name = ?", [kind_, name])
        return json.loads(rows[0][0]) if rows else None

    def put(self, kind_: str, name: str, properties: dict[str, Any]) -> None:
        """Create or replace; the date of creation of an old one stays."""
        with self._store.control() as connection:
            old = first(connection, "DELETE FROM objects WHERE kind = ? AND name = ? RETURNING created", [kind_, name])
            created = old[0] if old else dt.datetime.now(dt.UTC)
            connection.execute(
                "INSERT INTO objects VALUES (?, ?, ?, ?, ?)",
                [kind_, name, json.dumps(properties), properties.get("COMMENT", ""), created],
            )

    def remove(self, kind_: str, name: str) -> None:
        with self._store.control() as connection:
            connection.execute("DELETE FROM objects WHERE kind = ? AND name = ?", [kind_, name])
            if kind_ == "ROLE":
                connection.execute("DELETE FROM grants WHERE granted_to = 'ROLE' AND grantee = ?", [name])

    def all(self, kind_: str, pattern: str | None) -> list[tuple[str, dict[str, Any], dt.datetime]]:
        rows = self._store.query("SELECT name, properties, created FROM objects WHERE kind = ? ORDER BY name", [kind_])
        matches = like(pattern)
        return [(name, json.loads(properties), created) for name, properties, created in rows if matches(name)]

    def record_grant(self, row: tuple[str, str, str, str, str, bool], *, revoke: bool) -> None:
        """Record or remove (privilege, granted on, name, granted to, grantee, with grant option)."""
        with self._store.control() as connection:
            connection.execute(
                "DELETE FROM grants WHERE privilege = ? AND granted_on = ? AND name = ? AND granted_to = ? "
                "AND grantee = ?",
                list(row[:5]),
            )
            if not revoke:
                connection.execute("INSERT INTO grants VALUES (now(), ?, ?, ?, ?, ?, ?)", list(row))

    def grants(self, where: str, arguments: list[str]) -> list[tuple[Any, ...]]:
        return self._store.query(
            "SELECT created, privilege, granted_on, name, granted_to, grantee, grant_option FROM grants "
            f"WHERE {where} ORDER BY name, privilege",
            arguments,
        )
