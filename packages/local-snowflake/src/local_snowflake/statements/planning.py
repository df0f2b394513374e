"""Plans of statements, from the cache or newly built."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable

from local_snowflake.engine.plans import Plan
from local_snowflake.session import bindings
from local_snowflake.session.session import Session
from local_snowflake.translate.environment import Environment


def plan_for(session: Session, statement: Hashable, build: Callable[[Environment], Plan]) -> Plan:
    """The plan of a statement (its text, or what tells it apart), kept if nothing of this session is in it."""
    engine = session.engine
    version = engine.version
    key = (statement, session.database, session.schema, bindings.signature(session.bindings))
    cached = None if session.temporary else engine.plans.get(key, version)
    if cached is not None:
        return cached
    environment = session.environment(cached=True)
    plan = dataclasses.replace(build(environment), version=version)
    if not environment.session_specific and not session.temporary:
        engine.plans.put(key, plan)
    return plan
