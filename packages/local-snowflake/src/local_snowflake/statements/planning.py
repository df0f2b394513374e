"""Plans of statements, from the cache or newly built."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable

from local_snowflake.engine.plans import Plan
from local_snowflake.session import bindings
from local_snowflake.session.session import Session
from local_snowflake.translate.environment import Environment


def plan_for(session: Session, statement: Hashable, build: Callable[[Environment], Plan]) -> Plan:
    """The plan of a statement (its text, or what tells it apart), kept if nothing of this session is in it.

    Raises:
        SnowflakeError: 002003 or 003001, the session's roles lack a privilege that it needs.
    """
    engine = session.engine
    version = engine.version
    key: tuple[Hashable, ...] = (
        statement, session.database, session.schema, bindings.signature(session.bindings),
    )  # fmt: skip
    if not session.rights.unrestricted:
        key = (*key, "restricted")  # what INFORMATION_SCHEMA shows depends on the roles
    cached = None if session.temporary else engine.plans.get(key, version)
    if cached is not None:
        _require(session, cached)
        return cached
    environment = session.environment(cached=True)
    plan = build(environment)
    plan = dataclasses.replace(plan, version=version, needs=(*plan.needs, *environment.needs))
    _require(session, plan)
    if not environment.session_specific and not session.temporary:
        engine.plans.put(key, plan)
    return plan


def _require(session: Session, plan: Plan) -> None:
    session.rights.require(plan.needs)
    if plan.needs:
        session.require_warehouse()
