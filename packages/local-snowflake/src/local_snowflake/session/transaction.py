"""The state of a session's transaction."""

from __future__ import annotations

from dataclasses import dataclass, field

from local_snowflake.engine.stream_sql import Window
from local_snowflake.engine.streams import Stream
from local_snowflake.syntax.names import Name


@dataclass
class Transaction:
    """One explicit transaction, or one statement of its own.

    DuckDB's BEGIN waits for the first statement that writes, or reads a stream: until then every statement sees the
    newest commits, from then on the transaction has one snapshot.

    Attributes:
        explicit: begun by BEGIN, or by DML with AUTOCOMMIT off.
        open: DuckDB's transaction runs.
        aborted: the error that made DuckDB give the transaction up; only ROLLBACK helps.
        snapshot: the number of the last commit before DuckDB's transaction began.
        windows: what each stream shows for the whole transaction (repeatable read).
        limits: the end of a change log before this transaction wrote to its table.
        consumed: streams that DML has read; their offsets move at COMMIT.
        written: tables with changes of this transaction.
        exact: no commit was under way when the snapshot was taken, so `snapshot` says exactly what it holds.
        journal: what has changed data: the DuckDB statement, None when it is not repeatable, and its count of rows.
        captured: the change logs that took copies of their tables' rows, and the length of the journal before.
        kept: the length of the statements in the journal, in characters.
        late: change logs that began to take copies after the snapshot, which has no trigger for it: they get a copy of
            what the transaction has added when it commits.
    """

    explicit: bool
    open: bool = False
    aborted: str | None = None
    snapshot: int = 0
    windows: dict[str, Window] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    consumed: dict[str, Stream] = field(default_factory=dict)
    written: set[Name] = field(default_factory=set)
    exact: bool = False
    journal: list[tuple[str | None, int]] = field(default_factory=list)
    captured: dict[str, int] = field(default_factory=dict)
    kept: int = 0
    late: set[str] = field(default_factory=set)
