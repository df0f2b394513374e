"""Random work on a table with streams, against a model that keeps every row's identity."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from local_snowflake_tests.server import Server, Session

_KEYS = st.integers(0, 4)
_VALUES = st.integers(0, 2)
_server: Server | None = None

Row = tuple[int, int]
Change = tuple[int, int, str, bool]


@dataclass
class Model:
    """The rows by identity, and what each stream has seen.

    A standard stream compares the rows at its offset with the rows now; an append-only one keeps what was added.
    """

    rows: dict[int, Row] = field(default_factory=dict)
    seen: dict[int, Row] = field(default_factory=dict)
    appended: list[Row] = field(default_factory=list)
    number: int = 0

    def copy(self) -> Model:
        return Model(dict(self.rows), dict(self.seen), list(self.appended), self.number)

    def insert(self, row: Row) -> None:
        self.number += 1
        self.rows[self.number] = row
        self.appended.append(row)

    def net_change(self) -> Counter[Change]:
        """Rows that came, went, or changed between the offset and now.

        Rows of one content are interchangeable, so only their numbers count for what came and went.
        """
        changes: Counter[Change] = Counter()
        for identity, row in self.seen.items():
            now = self.rows.get(identity)
            if now is None:
                changes[(*row, "DELETE", False)] += 1
            elif now != row:
                changes[(*row, "DELETE", True)] += 1
                changes[(*now, "INSERT", True)] += 1
        for identity, row in self.rows.items():
            if identity not in self.seen:
                changes[(*row, "INSERT", False)] += 1
        return changes


def _by_content(changes: Counter[Change]) -> Counter[Row]:
    """Additions less removals of each content: what every correct answer has in common."""
    net: Counter[Row] = Counter()
    for (key, value, action, _), count in changes.items():
        net[key, value] += count if action == "INSERT" else -count
    return Counter({row: count for row, count in net.items() if count})


class Work(RuleBasedStateMachine):
    """DML, consumption and transactions in any order."""

    @initialize()
    def start(self) -> None:
        assert _server is not None
        self.session: Session = _server.session(database="LOCAL")
        name = f"M{uuid.uuid4().hex[:8].upper()}"
        self.session.run(f"CREATE SCHEMA {name}")
        self.session.run("CREATE TABLE T (K NUMBER, V NUMBER)")
        self.session.run("CREATE TABLE SINK (K NUMBER, V NUMBER, A VARCHAR, U BOOLEAN)")
        self.session.run("CREATE STREAM NET ON TABLE T")
        self.session.run("CREATE STREAM ADDED ON TABLE T APPEND_ONLY = TRUE")
        self.schema = name
        self.model, self.before = Model(), None

    before: Model | None
    read: tuple[Counter[Change], list[Row]] | None = None

    @rule(key=_KEYS, value=_VALUES, copies=st.integers(1, 3))
    def insert(self, key: int, value: int, copies: int) -> None:
        self.session.run(f"INSERT INTO T VALUES {', '.join([f'({key}, {value})'] * copies)}")
        for _ in range(copies):
            self.model.insert((key, value))

    @rule(key=_KEYS, value=_VALUES)
    def update(self, key: int, value: int) -> None:
        self.session.run(f"UPDATE T SET V = {value} WHERE K = {key} AND V <> {value}")
        self.model.rows = {i: (k, value if k == key else v) for i, (k, v) in self.model.rows.items()}

    @rule(key=_KEYS)
    def delete(self, key: int) -> None:
        self.session.run(f"DELETE FROM T WHERE K = {key}")
        self.model.rows = {i: row for i, row in self.model.rows.items() if row[0] != key}

    @rule()
    def truncate(self) -> None:
        self.session.run("TRUNCATE TABLE T")
        self.model.rows = {}

    @rule(key=_KEYS, value=_VALUES)
    def merge(self, key: int, value: int) -> None:
        self.session.run(
            f"MERGE INTO T USING (SELECT {key} AS K, {value} AS V) S ON T.K = S.K "
            "WHEN MATCHED AND T.V > S.V THEN DELETE WHEN MATCHED AND T.V < S.V THEN UPDATE SET V = S.V "
            "WHEN NOT MATCHED THEN INSERT (K, V) VALUES (S.K, S.V)"
        )
        matched = {i: v for i, (k, v) in self.model.rows.items() if k == key}
        for identity, old in matched.items():
            if old > value:
                del self.model.rows[identity]
            else:
                self.model.rows[identity] = (key, value)
        if not matched:
            self.model.insert((key, value))

    @precondition(lambda self: self.before is None)
    @rule()
    def consume(self) -> None:
        self.session.run("DELETE FROM SINK")
        self.session.run("INSERT INTO SINK SELECT K, V, METADATA$ACTION, METADATA$ISUPDATE FROM NET")
        got = Counter(
            {
                (k, v, a, u): n
                for k, v, a, u, n in self.session.run("SELECT K, V, A, U, COUNT(*) FROM SINK GROUP BY ALL")
            }
        )
        assert _by_content(got) == _by_content(self.model.net_change())
        self.session.run("INSERT INTO SINK SELECT K, V, 'x', FALSE FROM ADDED")
        self.model.seen, self.model.appended = dict(self.model.rows), []

    @rule()
    def fail(self) -> None:
        """A statement that changes rows, reads a stream and fails on the way: as if it had never been."""
        self.session.fails("INSERT INTO T SELECT K, 1 / (V - V) FROM (SELECT K, V FROM NET UNION ALL SELECT 1, 1)")

    @precondition(lambda self: self.before is None)
    @rule()
    def begin(self) -> None:
        self.session.run("BEGIN")
        self.before = self.model.copy()
        self.read = self.look()

    @precondition(lambda self: self.before is not None)
    @rule(commit=st.booleans(), consume=st.booleans())
    def end(self, commit: bool, consume: bool) -> None:
        assert self.before is not None
        if consume:
            self.session.run("INSERT INTO SINK SELECT K, V, METADATA$ACTION, METADATA$ISUPDATE FROM NET")
            self.session.run("INSERT INTO SINK SELECT K, V, 'x', FALSE FROM ADDED")
        self.session.run("COMMIT" if commit else "ROLLBACK")
        if not commit:
            self.model = self.before
        elif consume:
            self.model.seen = dict(self.before.rows)
            self.model.appended = self.model.appended[len(self.before.appended) :]
        self.before = self.read = None

    def look(self) -> tuple[Counter[Change], list[Row]]:
        net = self.session.run("SELECT K, V, METADATA$ACTION, METADATA$ISUPDATE, COUNT(*) FROM NET GROUP BY ALL")
        added = self.session.run("SELECT K, V FROM ADDED ORDER BY K, V")
        return Counter({(k, v, a, u): n for k, v, a, u, n in net}), [(k, v) for k, v in added]

    @invariant()
    def streams_show_the_net_change(self) -> None:
        if not hasattr(self, "session"):
            return
        net, added = self.look()
        if self.read is not None:
            assert (net, added) == self.read, "a transaction reads one state of a stream"
            return
        expected = self.model.net_change()
        assert _by_content(net) == _by_content(expected)
        assert sum(net.values()) <= sum(expected.values()), "never more rows than the net change needs"
        assert added == sorted(self.model.appended)
        rows = sorted(self.session.run("SELECT K, V FROM T"))
        assert rows == sorted(self.model.rows.values())

    def teardown(self) -> None:
        if hasattr(self, "session"):
            self.session.run("ROLLBACK")
            self.session.run(f"DROP SCHEMA {self.schema}")
            self.session.close()


def _run(server: Server, examples: int, steps: int) -> None:
    global _server
    _server = server
    run_state_machine_as_test(
        Work,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )  # fmt: skip


def test_streams_agree_with_the_model(server: Server, tmp_path: Path) -> None:
    _run(server, 4, 15)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_streams_agree_with_the_model_for_long(server: Server, tmp_path: Path) -> None:
    _run(server, 60, 40)
