"""The SQL of change logs: triggers that fill them, and the net change between two points.

A row of a log is a row of its table, added (`_insert`) or removed. `_seq` orders them: a statement's removals come
before its additions. `_pair` joins the two halves of an update and is NULL for plain inserts and deletes.

While a table only ever gets rows, its log is the table itself: `_seq` is the row id plus an origin, and nothing is
written twice. Row ids move when DuckDB closes the gaps of deleted rows, so before rows are changed or removed the log
takes a copy of what its streams have not consumed, and from then on of every row that is added (streams.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from local_snowflake.syntax.names import Name, literal, quote

STATEMENT = 1 << 33
"""Distance of two statements' numbers in `_seq`: room for 4 billion removals and as many additions."""
ADDITION = 1 << 32
FIRST = -(1 << 62)
"""Below every `_seq`; the rows of SHOW_INITIAL_ROWS follow it, the log's own begin above 0."""

OWN_ROWS = 36_028_797_018_960_000
"""DuckDB's row ids of rows that the transaction itself has added begin here, until it commits."""

_BASE = f"(SELECT nextval('_sf.change_statement') * {STATEMENT})"
"""Where the numbers of a statement begin."""

Column = tuple[str, str]
"""Name and DuckDB type."""


class Window(NamedTuple):
    """What a stream shows: the changes with low < _seq <= high of its log, and rows of the table as additions.

    Attributes:
        after, last: the row ids of these rows are beyond `after` and up to `last`.
        origin: their `_seq` is origin + the row id; 0 for none.
    """

    low: int
    high: int
    after: int = 0
    last: int = -1
    origin: int = 0


def log_table(log_id: str) -> str:
    return f'_sf."log_{log_id}"'


def initial_table(stream_id: str) -> str:
    return f'_sf."initial_{stream_id}"'


def reader(stream_id: str) -> str:
    """The table macro with a stream's rows; its arguments are a Window's."""
    return f"stream_{stream_id}"


def window_variables(stream_id: str) -> list[str]:
    """The DuckDB variables with the window of a stream, in the order of its fields."""
    return [f"{field}_{stream_id}" for field in Window._fields]


def direct_variable(log_id: str) -> str:
    """The DuckDB variable that says whether the rows a session adds to the table are in no need of a copy."""
    return f"direct_{log_id}"


def _list(columns: Sequence[Column], prefix: str = "") -> str:
    return ", ".join(prefix + quote(name) for name, _ in columns)


def create_log(log_id: str, columns: Sequence[Column]) -> str:
    definitions = ", ".join(f"{quote(name)} {kind}" for name, kind in columns)
    return f"CREATE TABLE {log_table(log_id)} (_seq BIGINT, _pair BIGINT, _insert BOOLEAN, {definitions})"


def create_triggers(log_id: str, table: Name, columns: Sequence[Column]) -> list[str]:
    """The statements that make every removal and change of rows land in the table's log."""
    names, log = _list(columns), log_table(log_id)
    return [
        f'CREATE TRIGGER "log_delete_{log_id}" AFTER DELETE ON {table.sql} REFERENCING OLD TABLE AS removed '
        f"FOR EACH STATEMENT INSERT INTO {log} "
        f"SELECT {_BASE} + row_number() OVER (), NULL, FALSE, {names} FROM removed",
        f'CREATE TRIGGER "log_update_{log_id}" AFTER UPDATE ON {table.sql} '
        f"REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT INSERT INTO {log} "
        f"SELECT base + side + number, base + number, side > 0, {names} FROM ("
        f"SELECT 0 AS side, row_number() OVER () AS number, {names} FROM removed UNION ALL "
        f"SELECT {ADDITION}, row_number() OVER (), {names} FROM added), (SELECT {_BASE} AS base)",
    ]


def start_copying(log_id: str, table: Name, columns: Sequence[Column]) -> list[str]:
    """The statements that make every row that is added land in the table's log, too.

    DuckDB holds back what a statement adds to a table with such a trigger, which costs memory and a processor: the
    trigger is there only while it is needed.
    """
    names = _list(columns)
    return [
        stop_copying(log_id, table),
        f'CREATE TRIGGER "log_insert_{log_id}" AFTER INSERT ON {table.sql} REFERENCING NEW TABLE AS added '
        f"FOR EACH STATEMENT INSERT INTO {log_table(log_id)} "
        f"SELECT {_BASE} + {ADDITION} + row_number() OVER (), NULL, TRUE, {names} FROM added "
        # a transaction may still see the trigger when copies are in no need any more
        f"WHERE NOT coalesce(getvariable({literal(direct_variable(log_id))}), FALSE)",
    ]


def stop_copying(log_id: str, table: Name) -> str:
    """The reverse of `start_copying`."""
    return f'DROP TRIGGER IF EXISTS "log_insert_{log_id}" ON {table.sql}'


def drop_triggers(log_id: str, table: Name) -> list[str]:
    return [
        stop_copying(log_id, table),
        *(f'DROP TRIGGER IF EXISTS "log_{kind}_{log_id}" ON {table.sql}' for kind in ("delete", "update")),
    ]


def capture(log_id: str, table: Name, columns: Sequence[Column], after: int, origin: int) -> list[str]:
    """The statements that copy the rows beyond a row id into the log, and let it be filled by copies from then on."""
    return [
        f"INSERT INTO {log_table(log_id)} SELECT {origin} + rowid, NULL, TRUE, {_list(columns)} FROM {table.sql} "
        f"WHERE rowid > {after} AND rowid < {OWN_ROWS}",
        copy_own(log_id, table, columns),
        f"UPDATE _sf.logs SET floor = NULL, origin = NULL WHERE id = {literal(log_id)}",
        *start_copying(log_id, table, columns),
    ]


def copy_own(log_id: str, table: Name, columns: Sequence[Column]) -> str:
    """The statement that copies the rows which the transaction itself has added into the log."""
    return (
        f"INSERT INTO {log_table(log_id)} SELECT {_BASE} + {ADDITION} + row_number() OVER (ORDER BY rowid), "
        f"NULL, TRUE, {_list(columns)} FROM {table.sql} WHERE rowid >= {OWN_ROWS}"
    )


def create_reader(
    stream_id: str, log_id: str, table: Name, columns: Sequence[Column], *, initial: bool, append_only: bool
) -> str:
    """The macro that gives a stream's rows and METADATA$ columns in a Window.

    A window that was made before the log took its copies shows these and not the rows of the table, so none twice.
    """
    names = _list(columns)
    events = f"""
    SELECT _seq, _pair, _insert, {names} FROM {log_table(log_id)} WHERE _seq > _low AND _seq <= _high
    UNION ALL
    SELECT _origin + rowid AS _seq, NULL AS _pair, TRUE AS _insert, {names} FROM {table.sql}
    WHERE rowid > _after AND rowid <= _last
        AND (SELECT count(*) FROM _sf.logs WHERE id = {literal(log_id)} AND logs.origin = _origin) = 1
    """
    if initial:
        events += (
            f" UNION ALL SELECT _seq, NULL, TRUE, {names} FROM {initial_table(stream_id)} "
            "WHERE _seq > _low AND _seq <= _high"
        )
    body = _appended(names, events) if append_only else _net_change(columns, events)
    arguments = ", ".join(f"_{field}" for field in Window._fields)
    return f"CREATE OR REPLACE MACRO _sf.{reader(stream_id)}({arguments}) AS TABLE {body}"


def _metadata(action: str, update: str, row: str) -> str:
    # The id is short: DuckDB compares texts of up to 12 bytes without a look elsewhere.
    return f'{action} AS "METADATA$ACTION", {update} AS "METADATA$ISUPDATE", to_hex({row}) AS "METADATA$ROW_ID"'


def _appended(names: str, events: str) -> str:
    metadata = _metadata("'INSERT'", "FALSE", "_seq")
    return f"SELECT {names}, {metadata} FROM ({events}) WHERE _insert AND _pair IS NULL"


def _net_change(columns: Sequence[Column], events: str) -> str:
    """What is different at `high` from `low`, as the fewest rows.

    Every row's life is a chain: an update leads from the removed to the added half, and a row added in the window may
    be removed later in it. Rows of equal content are interchangeable, so the n-th removal of a content that does not
    fall on an older row takes the n-th addition of it; a removal falls on an older row when more of that content
    are gone than ever before. The two ends of a chain are the net change.
    """
    names = _list(columns)
    first, last = _list(columns, "head."), _list(columns, "tail.")
    removed = _metadata("'DELETE'", "tail._insert", "head._seq")
    added = _metadata("'INSERT'", "NOT head._insert", "head._seq")
    return f"""
    WITH RECURSIVE
    event AS MATERIALIZED (SELECT *, hash({names}) AS _content FROM ({events})),
    shared AS (
        SELECT *, sum(CASE WHEN _insert THEN 1 ELSE -1 END) OVER (PARTITION BY _content ORDER BY _seq) AS balance
        FROM (SELECT _seq, _insert, _content FROM event)
        WHERE _content IN (SELECT _content FROM event WHERE NOT _insert)
    ),
    aged AS (
        SELECT *, NOT _insert AND balance < least(0, coalesce(min(balance) OVER (
            PARTITION BY _content ORDER BY _seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)) AS older
        FROM shared
    ),
    numbered AS MATERIALIZED (
        SELECT *, row_number() OVER (PARTITION BY _content, _insert, older ORDER BY _seq) AS number FROM aged
    ),
    step AS MATERIALIZED (
        SELECT removed._seq AS here, added._seq AS there
        FROM event removed JOIN event added ON added._pair = removed._pair AND added._insert AND NOT removed._insert
        UNION ALL
        SELECT added._seq, removed._seq
        FROM numbered added JOIN numbered removed
            ON removed._content = added._content AND removed.number = added.number
            AND NOT removed._insert AND NOT removed.older
        WHERE added._insert
    ),
    chain AS (
        SELECT _seq AS head, _seq AS here, 0 AS depth FROM numbered WHERE older
        UNION ALL SELECT _seq, _seq, 0 FROM event WHERE _insert AND _pair IS NULL
        UNION ALL SELECT head, there, depth + 1 FROM chain JOIN step USING (here)
    ),
    life AS (SELECT head AS first, arg_max(here, depth) AS last FROM chain GROUP BY head)
    SELECT {first}, {removed}
    FROM life JOIN event head ON head._seq = first JOIN event tail ON tail._seq = last WHERE NOT head._insert
    UNION ALL
    SELECT {last}, {added}
    FROM life JOIN event head ON head._seq = first JOIN event tail ON tail._seq = last WHERE tail._insert
    """
