"""What the roles of a session may do: its primary role, and its secondary roles beside it.

Source: docs.snowflake.com/en/user-guide/security-access-control-overview, .../sql-reference/sql/use-secondary-roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from local_snowflake.engine.access import (
    ACCOUNT,
    ACCOUNT_KINDS,
    ADMINISTRATOR,
    MANAGE_GRANTS,
    OWNERSHIP,
    PUBLIC,
    Need,
    Securable,
    Snapshot,
)
from local_snowflake.engine.engine import Engine
from local_snowflake.errors import SnowflakeError, insufficient, missing, not_granted, unusable, view_failed

ALL = "ALL"


class Rights:
    """The roles of one session, and what follows from them as long as no grant changes.

    Attributes:
        user: None for a session of the server's own, such as that of a task.
        role: the primary role, which owns what the session creates.
        secondary: the secondary roles: ALL, or some by name.
    """

    def __init__(self, engine: Engine, user: str | None, role: str, secondary: Sequence[str] = ()) -> None:
        self._engine = engine
        self.user = user
        self.role = role
        self.secondary: tuple[str, ...] = tuple(secondary)
        self._snapshot: Snapshot | None = None
        self._base = role
        self._active = self._primary = frozenset[str]()
        self._unrestricted = False
        self._allowed: set[tuple[Need, ...]] = set()

    # roles ------------------------------------------------------------------------------------------------------

    def use(self, role: str) -> None:
        """USE ROLE.

        Raises:
            SnowflakeError: 002043, there is no such role; 003013, it is not granted to the user.
        """
        if role not in self.available():
            if not self._engine.objects.has_role(role):
                raise unusable()
            raise not_granted(role)
        self.role, self._snapshot = role, None

    def use_secondary(self, roles: Sequence[str]) -> None:
        """USE SECONDARY ROLES.

        Raises:
            SnowflakeError: 003013, one of them is not granted to the user.
        """
        unknown = next((role for role in roles if role != ALL and role not in self.available()), None)
        if unknown is not None:
            raise not_granted(unknown)
        self.secondary, self._snapshot = tuple(roles), None

    def available(self) -> frozenset[str]:
        """The roles that the user may take; of a task, those below its owner."""
        now = self._engine.access.now
        return now.closure([self._base]) if self.user is None else now.roles_of(self.user)

    def active(self) -> frozenset[str]:
        """The roles that count in the session, with all that they inherit."""
        self._follow()
        return self._active

    def primary(self) -> frozenset[str]:
        """The primary role, with all that it inherits: what CREATE goes by."""
        self._follow()
        return self._primary

    def secondary_roles(self) -> list[str]:
        """The secondary roles by name."""
        if ALL in self.secondary:
            return sorted(self.available() - {self.role, PUBLIC})
        return list(self.secondary)

    def _follow(self) -> None:
        now = self._engine.access.now
        if now is self._snapshot:
            return
        self._primary = now.closure([self.role])
        secondary = self.available() if ALL in self.secondary else self.secondary
        self._active = now.closure([self.role, *secondary])
        self._unrestricted = now.owns_all(self._active)
        self._allowed = set()
        self._snapshot = now

    # privileges -------------------------------------------------------------------------------------------------

    @property
    def unrestricted(self) -> bool:
        """Whether everything there is belongs to the session's roles."""
        self._follow()
        return self._unrestricted

    def require(self, needs: Iterable[Need]) -> None:
        """Refuse what the session's roles, or the owner of a view, may not do.

        Raises:
            SnowflakeError: 002003, not even that there is something; 003001, not this.
        """
        self._follow()
        needs = tuple(needs)
        if not needs or needs in self._allowed:
            return
        for need in needs:
            self._require(need)
        self._allowed.add(needs)

    def need(self, privilege: str | None, on: Securable) -> None:
        """The same for one privilege."""
        self.require((Need(privilege, on),))

    def _require(self, need: Need) -> None:
        now = self._engine.access.now
        if need.view is not None:
            active = now.closure([now.owner(need.view)])
            try:
                self._check(now, active, need.privilege, need.on)
            except SnowflakeError as error:
                raise view_failed(need.view.parts[-1], error) from error
            return
        primary = need.privilege is not None and need.privilege.startswith("CREATE ")
        if self._unrestricted and not primary:
            return
        self._check(now, self._primary if primary else self._active, need.privilege, need.on)

    def _check(self, now: Snapshot, active: frozenset[str], privilege: str | None, on: Securable) -> None:
        for parent in _parents(on):
            if not now.may(active, None, parent):
                raise missing(parent.kind.capitalize(), parent.text)
        if on.kind == "RESOURCE MONITOR" and privilege == OWNERSHIP:
            allowed = ADMINISTRATOR in active
        else:
            allowed = now.may(active, privilege, on)
        if allowed:
            return
        if on.kind != "ACCOUNT" and not now.may(active, None, on) and not now.may(active, MANAGE_GRANTS, ACCOUNT):
            raise missing("Object" if on.kind in ("TABLE", "VIEW") else on.kind.capitalize(), on.text)
        raise insufficient(on.kind, on.parts[-1] if on.parts else self._engine.account.upper())

    def may(self, privilege: str | None, on: Securable) -> bool:
        """Whether the session has a privilege on an object itself; None for any privilege."""
        self._follow()
        return self._unrestricted or self._engine.access.now.may(self._active, privilege, on)

    def may_grant(self, privilege: str, on: Securable) -> bool:
        self._follow()
        return self._unrestricted or self._engine.access.now.may_grant(self._active, privilege, on)

    def manages_grants(self) -> bool:
        return self.may(MANAGE_GRANTS, ACCOUNT)

    def sees(self, on: Securable) -> bool:
        """Whether SHOW lists an object: any privilege on it and on what it is in, or MANAGE GRANTS."""
        if self.unrestricted or self.manages_grants():
            return True
        return self.may(None, on) and all(self.may(None, parent) for parent in _parents(on))


def _parents(on: Securable) -> list[Securable]:
    """What an object is in: "at least one privilege on the parent database and ... schema" is needed."""
    if on.kind in ACCOUNT_KINDS:
        return []
    kinds = ("DATABASE", "SCHEMA")
    return [Securable(kinds[depth - 1], on.parts[:depth]) for depth in range(1, len(on.parts)) if depth <= len(kinds)]
