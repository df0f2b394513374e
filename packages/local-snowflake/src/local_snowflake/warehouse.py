"""The composition root: engine, sessions and the scheduler of task graphs, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from local_snowflake.engine.engine import Engine
from local_snowflake.session.session import Session
from local_snowflake.statements.ddl import views
from local_snowflake.statements.environment import SessionEnvironment
from local_snowflake.tasks.scheduler import Scheduler


class Warehouse:
    """A server without its network side."""

    def __init__(self, folder: Path, *, memory_limit: str, threads: int, account: str, user: str) -> None:
        self.engine = Engine(folder, memory_limit=memory_limit, threads=threads, account=account, user=user)
        self.scheduler = Scheduler(self.engine, self.connect)
        self.engine.graphs = self.scheduler
        self._renew_views()

    def connect(
        self, *, database: str | None = None, schema: str | None = None, user: str | None = None,
        role: str | None = None, secondary: Sequence[str] = (), warehouse: str | None = None,
        parameters: Mapping[str, object] | None = None,
    ) -> Session:  # fmt: skip
        """A session of its own, of the server itself if there is no user.

        Its statements are run by statements.execution.
        """
        return Session(
            self.engine, SessionEnvironment,
            database=database, schema=schema, user=user, role=role, secondary=secondary, warehouse=warehouse,
            parameters=parameters,
        )  # fmt: skip

    def _renew_views(self) -> None:
        """Translate the views of a file that other code has written: they may call macros that are gone."""
        store, code = self.engine.store, self.engine.plans.code
        if store.query("SELECT code FROM translated") == [(code,)]:
            return
        session = self.connect()
        if views.translate_again(session):
            store.execute("DELETE FROM translated")
            store.execute("INSERT INTO translated VALUES (?)", [code])
        session.close()

    def close(self) -> None:
        """Stop the tasks and write everything into the file."""
        self.scheduler.stop()
        self.engine.close()
