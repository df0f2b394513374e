"""Which data sets the warehouse holds (OPS.DATA_SETS), and refusing another one that shares identifiers.

A producer asks before it sends anything. One transaction compares a sample of its records with those of PROD and of the
data sets that are registered, whose messages may still be on their way, and registers it: of two producers at once, the
second finds what the first has registered. Where nothing is registered, the first messages of the topics are compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from snowflake.connector import SnowflakeConnection
from snowflake.connector import errors as snowflake_errors
from snowflake.connector.cursor import SnowflakeCursor

from dropship_dagster import shop, stream
from dropship_dagster.endpoints import ServiceError, WarehouseEndpoint, kafka_endpoint, warehouse_endpoint
from dropship_dagster.settings import Settings
from dropship_dagster.shop.datasets import customer, order, product
from dropship_dagster.warehouse import deployment
from dropship_dagster.warehouse.connection import connect, does_not_exist, is_transient, message_of
from dropship_dagster.warehouse.errors import CredentialsRefusedError, SharedIdentifiersError, WarehouseError
from dropship_dagster.warehouse.offsets import transaction

_NETWORK_SECONDS = 60
_INSUFFICIENT_PRIVILEGES = 3001
_QUERY_TAG = "dropship data sets"

# The sample is bound as one JSON array of [id, version].
_SAMPLE = (
    "SELECT f.VALUE[0]::VARCHAR AS ID, f.VALUE[1]::NUMBER AS VERSION FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) f"
)
_TIME = 'TO_CHAR({}, \'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"\')'

_REGISTERED = f"""
SELECT r.DATA_SET_ID, r.ENTITY, r.ID, r.VERSION, r.LASTING, r.DETAIL
FROM OPS.DATA_SET_RECORDS r JOIN ({_SAMPLE}) s ON s.ID = r.ID
WHERE r.ENTITY = ?
"""
_ORDERS = f"""
SELECT o.ORDER_ID, o.CUSTOMER_ID, {_TIME.format("o.PLACED_AT")}, o.TOTAL
FROM PROD.ORDERS o JOIN ({_SAMPLE}) s ON s.ID = o.ORDER_ID
WHERE o.PLACED_VERSION > 0
"""
_CUSTOMERS = f"""
SELECT c.CUSTOMER_ID, NVL(h.VERSION, 0), {_TIME.format("c.SIGNED_UP_AT")}, h.CITY, h.COUNTRY, h.NAME, h.EMAIL
FROM PROD.CUSTOMERS c JOIN ({_SAMPLE}) s ON s.ID = c.CUSTOMER_ID
LEFT JOIN PROD.CUSTOMERS_HISTORY h
  ON h.CUSTOMER_ID = c.CUSTOMER_ID AND h.VERSION = s.VERSION AND NOT h.IS_DELETED
WHERE c.RECORD_VERSION > 0
"""
_PRODUCTS = f"""
SELECT p.PRODUCT_ID, NVL(h.VERSION, 0), {_TIME.format("p.CREATED_AT")}, h.NAME, h.PRICE
FROM PROD.PRODUCTS p JOIN ({_SAMPLE}) s ON s.ID = p.PRODUCT_ID
LEFT JOIN PROD.PRODUCTS_HISTORY h
  ON h.PRODUCT_ID = p.PRODUCT_ID AND h.VERSION = s.VERSION AND NOT h.IS_DELETED
WHERE p.RECORD_VERSION > 0
"""

_LOCK = "UPDATE OPS.DATA_SETS_LOCK SET HELD_BY = ? WHERE NAME = 'DATA_SETS'"
_HELD = "SELECT DATA_SET_ID, LABEL, FINGERPRINT FROM OPS.DATA_SETS ORDER BY LAST_SEEN_AT DESC, DATA_SET_ID"
_SEEN = "UPDATE OPS.DATA_SETS SET LABEL = ?, FINGERPRINT = ?, LAST_SEEN_AT = SYSDATE() WHERE DATA_SET_ID = ?"
_NEW = """
INSERT INTO OPS.DATA_SETS (DATA_SET_ID, KIND, LABEL, FINGERPRINT, FIRST_SEEN_AT, LAST_SEEN_AT)
SELECT ?, ?, ?, ?, SYSDATE(), SYSDATE()
"""
_RECORD = """
INSERT INTO OPS.DATA_SET_RECORDS (DATA_SET_ID, ENTITY, ID, VERSION, LASTING, DETAIL)
SELECT s.DATA_SET_ID, s.ENTITY, s.ID, s.VERSION, s.LASTING, s.DETAIL
FROM (
  SELECT
    f.VALUE[0]::VARCHAR AS DATA_SET_ID, f.VALUE[1]::VARCHAR AS ENTITY, f.VALUE[2]::VARCHAR AS ID,
    f.VALUE[3]::NUMBER AS VERSION, f.VALUE[4]::VARCHAR AS LASTING, f.VALUE[5]::VARCHAR AS DETAIL
  FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) f
) s
LEFT JOIN OPS.DATA_SET_RECORDS t
  ON t.DATA_SET_ID = s.DATA_SET_ID AND t.ENTITY = s.ENTITY AND t.ID = s.ID AND t.VERSION = s.VERSION
WHERE t.ID IS NULL
"""

_BEFORE = "a data set that was sent before they were registered"


@dataclass(frozen=True)
class Admission:
    """A data set that may be sent. `notes`: sentences on what was not checked, or differs here and there."""

    data_set: shop.DataSet
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Held:
    """A row of OPS.DATA_SETS."""

    id: str
    label: str
    fingerprint: str


def admit(
    settings: Settings,
    data_set: shop.DataSet,
    *,
    opening: Sequence[shop.Record] = (),
    allow_shared: bool = False,
    prepare: bool = False,
) -> Admission:
    """Compare a data set with what the warehouse and the topics hold, and register it; nothing is sent here.

    Producing needs no warehouse: where it cannot be asked, the topics are, and the notes say so. A local warehouse
    that this home does not have yet is not started for it, unless `prepare`.

    Args:
        settings: which warehouse and topics.
        data_set: what is to be sent.
        opening: orders that a stream would place anew, which the folder does not tell.
        allow_shared: register it although it shares identifiers with another one.
        prepare: deploy a warehouse that holds nothing yet, so that the data set can be registered.

    Raises:
        SharedIdentifiersError: it shares identifiers with another data set; names both, an example and the ways out.
        StreamError: Kafka does not answer.
        ShopError: the folder cannot be read.
    """
    return _compared(settings, data_set, opening, allow_shared=allow_shared, prepare=prepare)


def compare(settings: Settings, data_set: shop.DataSet) -> tuple[str, ...]:
    """Compare a data set as `admit` does, and register nothing: whether it could be sent.

    Neither warehouse nor topics are made for it; where there are none yet, there is nothing to compare with.

    Returns:
        Sentences on what was not checked, or differs here and there.

    Raises:
        SharedIdentifiersError, StreamError, ShopError: as `admit`.
    """
    return _compared(settings, data_set, (), register=False).notes


def _compared(
    settings: Settings,
    data_set: shop.DataSet,
    opening: Sequence[shop.Record],
    *,
    allow_shared: bool = False,
    prepare: bool = False,
    register: bool = True,
) -> Admission:
    notes: list[str] = []
    endpoint = _endpoint(settings, notes, start=prepare)
    try:
        if endpoint is not None and _is_there(endpoint, prepare=prepare):
            with connect(endpoint, query_tag=_QUERY_TAG, network_timeout=_NETWORK_SECONDS) as connection:
                return _admit(settings, connection, data_set, opening, allow_shared=allow_shared, register=register)
    except SharedIdentifiersError:
        raise
    except (WarehouseError, snowflake_errors.Error, OSError) as error:
        if not _cannot_be_asked(error):
            raise
        notes.append(
            f"Whether {data_set.label} shares identifiers with what the warehouse holds was not checked, only with the "
            f"first messages of the topics: {message_of(error)}"
        )
    if not allow_shared:
        notes += _compare_topics(settings, data_set, opening)
    return Admission(data_set, tuple(notes))


def _cannot_be_asked(error: Exception) -> bool:
    """Whether the warehouse is away, or this user may not see what is compared: then producing goes on without it."""
    if isinstance(error, snowflake_errors.ProgrammingError):
        return does_not_exist(error) or error.errno == _INSUFFICIENT_PRIVILEGES
    return is_transient(error) or isinstance(error, CredentialsRefusedError)


def _endpoint(settings: Settings, notes: list[str], *, start: bool) -> WarehouseEndpoint | None:
    """The warehouse, if there is one to ask."""
    if not (start or settings.snowflake_account or (settings.home / "snowflake").is_dir()):
        return None
    try:
        return warehouse_endpoint(settings)
    except ServiceError as error:
        notes.append(f"The warehouse was not asked which data sets it holds: {error}")
        return None


def _is_there(endpoint: WarehouseEndpoint, *, prepare: bool) -> bool:
    """Whether the database is deployed; it holds nothing before."""
    with connect(endpoint, query_tag=_QUERY_TAG, network_timeout=_NETWORK_SECONDS) as connection:
        try:
            connection.cursor().execute(f'SELECT COUNT(*) FROM "{endpoint.database}".OPS.SCHEMA_MIGRATIONS')
        except snowflake_errors.ProgrammingError as error:
            if not does_not_exist(error):
                raise
            if prepare:
                deployment.prepare(endpoint)
            return prepare
    return True


def _admit(
    settings: Settings,
    connection: SnowflakeConnection,
    data_set: shop.DataSet,
    opening: Sequence[shop.Record],
    *,
    allow_shared: bool,
    register: bool,
) -> Admission:
    with transaction(connection) as cursor:
        registers = _lock(cursor, data_set)
        held = [_Held(*row) for row in cursor.execute(_HELD).fetchall()] if registers else []
        known = next((each for each in held if each.fingerprint == data_set.fingerprint), None)
        if known is not None and not opening:
            if register:
                _see(cursor, data_set, known)
            return Admission(data_set)
        ours = [*data_set.sample, *opening]
        registered = _registered(cursor, ours) if held else []
        theirs = [*(record for _, record in registered), *_in_prod(cursor, ours)]
        notes: list[str] = []
        if not allow_shared:
            place = f"which the database {settings.snowflake_database} already holds"

            def owner(record: shop.Record) -> str:
                return _owner(held, registered, record)

            notes += _judge(settings, data_set, data_set.sample, theirs, place, owner)
            notes += _judge(settings, _anew(data_set), opening, theirs, place, owner)
            if not held and not theirs:
                notes += _compare_topics(settings, data_set, opening)
        if registers and register:
            _register(cursor, data_set, ours, known or _continued(data_set, ours, held, registered))
        elif register:
            notes.append(
                f"{data_set.label} was compared with the warehouse but not registered there: `dropship deploy` makes "
                "the tables of this version."
            )
    return Admission(data_set, tuple(notes))


def _lock(cursor: SnowflakeCursor, data_set: shop.DataSet) -> bool:
    """Wait for producers that compare at the same time; False where the database is older than the tables."""
    try:
        cursor.execute(_LOCK, (data_set.fingerprint,))
    except snowflake_errors.ProgrammingError as error:
        if does_not_exist(error):
            return False
        raise
    return True


def _judge(
    settings: Settings,
    data_set: shop.DataSet,
    ours: Iterable[shop.Record],
    theirs: Iterable[shop.Record],
    place: str,
    owner: Callable[[shop.Record], str],
) -> list[str]:
    """Refuse another data set; a sentence for each kind of record of which few differ."""
    notes = []
    for difference in shop.differences(ours, theirs):
        if difference.is_another:
            raise SharedIdentifiersError(
                f"Nothing was sent: {data_set.label} shares identifiers with {owner(difference.theirs)}, {place}, and "
                f"they are not the same: {difference.words}. {_ways_out(settings, data_set)}"
            )
        notes.append(
            f"{data_set.label} has rows that differ from {owner(difference.theirs)}, {place}: {difference.words}. "
            "Their events will be rejected as conflicts; a changed customer or product needs a higher version."
        )
    return notes


def _anew(stream_of: shop.DataSet) -> shop.DataSet:
    """The orders of a stream that begins anew, judged by themselves: they are few beside those of the folder."""
    return replace(stream_of, label=f"{stream_of.label}, begun anew without the state of an earlier run,")


def _ways_out(settings: Settings, data_set: shop.DataSet) -> str:
    """What can be done with a second data set here."""
    # A shop that is generated there must not replace the files of this one: its live traffic goes on from them.
    folder = " and another DROPSHIP_DATA_DIR" if data_set.kind == "generated" else ""
    another = (
        "another SNOWFLAKE_DATABASE together with other DROPSHIP_TOPIC_CUSTOMERS, DROPSHIP_TOPIC_PRODUCTS and "
        f"DROPSHIP_TOPIC_ORDERS_EVENTS{folder}"
    )
    allow = (
        "With --allow-shared-ids (allow_shared_ids in a job) it is sent all the same: its versions of known "
        "identifiers are rejected as conflicts, and those that are not known change what is there."
    )
    if settings.snowflake_account or settings.kafka_bootstrap_servers:
        return f"Give it a database and topics of its own: {another}. {allow}"
    return (
        f"Give it a warehouse and topics of its own: another DROPSHIP_HOME{folder}, or {another}. Or start over here: "
        f"`dropship down`, then remove {settings.home}. {allow}"
    )


def _owner(held: Sequence[_Held], registered: Iterable[tuple[str, shop.Record]], record: shop.Record) -> str:
    """The name of the data set that a record is of, as far as it is known."""
    owners = {other.key: data_set_id for data_set_id, other in registered}
    labels = {each.id: each.label for each in held}
    if record.key in owners:
        return labels[owners[record.key]]
    return held[0].label if held else _BEFORE


def _continued(
    data_set: shop.DataSet,
    ours: Iterable[shop.Record],
    held: Sequence[_Held],
    registered: Iterable[tuple[str, shop.Record]],
) -> _Held | None:
    """The registered data set that this one goes on with: it shares most records with it, or has new orders alone."""
    own = {record.key: record for record in ours}
    shared: dict[str, int] = {}
    for data_set_id, record in registered:
        if own[record.key].agrees(record):
            shared[data_set_id] = shared.get(data_set_id, 0) + 1
    if shared:
        most = max(shared, key=lambda each: (shared[each], each))
        return next((each for each in held if each.id == most), None)
    return held[0] if held and data_set.orders_alone else None


def _register(
    cursor: SnowflakeCursor,
    data_set: shop.DataSet,
    records: Iterable[shop.Record],
    continued: _Held | None,
) -> None:
    if continued is None:
        cursor.execute(_NEW, (data_set.fingerprint, data_set.kind, data_set.label, data_set.fingerprint))
        data_set_id = data_set.fingerprint
    else:
        data_set_id = continued.id
        _see(cursor, data_set, continued)
    rows = [[data_set_id, each.entity, each.id, each.version, each.lasting, each.recorded_detail] for each in records]
    if rows:
        cursor.execute(_RECORD, (json.dumps(rows, ensure_ascii=False),))


def _see(cursor: SnowflakeCursor, data_set: shop.DataSet, known: _Held) -> None:
    """Note that it came again. A stream, or new orders alone, do not rename what they go on with."""
    part = data_set.orders_alone or data_set.kind == "stream"
    named = known if part else data_set
    cursor.execute(_SEEN, (named.label, named.fingerprint, known.id))


def _registered(cursor: SnowflakeCursor, ours: Sequence[shop.Record]) -> list[tuple[str, shop.Record]]:
    """Records of registered data sets with these identifiers, each with the data set's id."""
    found = []
    for entity, sample in _samples(ours):
        for data_set_id, *values in cursor.execute(_REGISTERED, (sample, entity)).fetchall():
            kind, name, version, lasting, detail = values
            found.append((data_set_id, shop.Record.recorded(kind, name, int(version), lasting, detail)))
    return found


def _in_prod(cursor: SnowflakeCursor, ours: Sequence[shop.Record]) -> list[shop.Record]:
    """Records of PROD with these identifiers."""
    found: list[shop.Record] = []
    for entity, sample in _samples(ours):
        if entity == "orders":
            found += [order(*row) for row in cursor.execute(_ORDERS, (sample,)).fetchall()]
            continue
        query, make = (_CUSTOMERS, customer) if entity == "customers" else (_PRODUCTS, product)
        rows = cursor.execute(query, (sample,)).fetchall()
        found += [make(name, int(version), *rest) for name, version, *rest in rows]
    return found


def _samples(records: Iterable[shop.Record]) -> list[tuple[str, str]]:
    """By kind, identifiers and versions as the JSON that the statements take."""
    pairs: dict[str, list[list[str | int]]] = {}
    for record in records:
        pairs.setdefault(record.entity, []).append([record.id, record.version])
    return [(entity, json.dumps(rows)) for entity, rows in sorted(pairs.items())]


def _compare_topics(settings: Settings, data_set: shop.DataSet, opening: Sequence[shop.Record]) -> list[str]:
    """Refuse a data set when the topics begin with messages of another one."""
    if not (settings.kafka_bootstrap_servers or (settings.home / "kafka").is_dir()):
        return []
    heads = stream.topic_heads(kafka_endpoint(settings).client_config, stream.topic_names(settings))
    ours = shop.records_of(data_set.folder, {record.key for record in heads}) if heads else []
    place = f"of which the topics {', '.join(settings.topics)} already hold messages"

    def owner(_record: shop.Record) -> str:
        return "another data set"

    notes = _judge(settings, data_set, ours, heads, place, owner)
    return notes + _judge(settings, _anew(data_set), opening, heads, place, owner)
