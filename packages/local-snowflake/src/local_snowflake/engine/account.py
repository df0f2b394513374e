"""Warehouses, roles, users and resource monitors, with their properties. Who may do what with them is in `access`."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from local_snowflake.engine.access import SYSTEM_ROLES
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


class Account:
    """The recorded objects."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, kind_: str, name: str) -> dict[str, Any] | None:
        rows = self._store.query("SELECT properties FROM objects WHERE kind = ? AND name = ?", [kind_, name])
        return json.loads(rows[0][0]) if rows else None

    def has_role(self, name: str) -> bool:
        return name in SYSTEM_ROLES or self.find("ROLE", name) is not None

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

    def all(self, kind_: str, pattern: str | None) -> list[tuple[str, dict[str, Any], dt.datetime]]:
        rows = self._store.query("SELECT name, properties, created FROM objects WHERE kind = ? ORDER BY name", [kind_])
        matches = like(pattern)
        return [(name, json.loads(properties), created) for name, properties, created in rows if matches(name)]
