"""No event stops the rest: the verdict is that of docs/data-contracts.md, and the neighbours are in PROD."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from dropship_dagster import warehouse as warehouses
from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint
from dropship_dagster.settings import Settings
from dropship_dagster.warehouse import Selection, list_rejected
from dropship_dagster_tests.benchmarks.dashboard_queries import QUESTIONS
from dropship_dagster_tests.warehouse.any_event import Odd, drawn, extremes, one_field_odd, sent_in_order
from dropship_dagster_tests.warehouse.emptied import Emptied
from dropship_dagster_tests.warehouse.event_contract import UnclearError, broken_fields
from dropship_dagster_tests.warehouse.pipeline import Pipeline
from streamlit_monitor.period import period
from streamlit_monitor.store import Store
from streamlit_monitor.warehouse import Warehouse

NEWEST = datetime(2026, 3, 12)  # noqa: DTZ001 - times are naive UTC, as in the warehouse
STAGED = {"customers": "CUSTOMER_EVENTS", "products": "PRODUCT_EVENTS", "orders_events": "ORDER_EVENTS"}
IN_PROD = {
    "customers": "SELECT CUSTOMER_ID, VERSION FROM PROD.CUSTOMERS_HISTORY",
    "products": "SELECT PRODUCT_ID, VERSION FROM PROD.PRODUCTS_HISTORY",
    "orders_events": "SELECT ORDER_ID, VERSION FROM PROD.ORDER_STATUS_HISTORY",
}
KEYS = {"customers": "customer_id", "products": "product_id", "orders_events": "order_id"}


@dataclass
class Judge:
    """Sends odd events through a pipeline and compares what becomes of them with the contract."""

    pipeline: Pipeline
    next_offset: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STAGED, 0))

    def assert_each_has_a_verdict(self, odd: Sequence[Odd]) -> None:
        """Send, load and refresh, then look at every message."""
        sent: dict[tuple[str, int], tuple[Odd | None, bytes]] = {}
        for topic, messages in sent_in_order(odd).items():
            self.pipeline.send(self._name(topic), [value for _, value in messages], partition=0)
            for message in messages:
                sent[topic, self.next_offset[topic]] = message
                self.next_offset[topic] += 1
        assert self.pipeline.load().events == len(sent)
        self.pipeline.refresh()
        verdicts = {topic: self._verdicts(topic) for topic in STAGED}
        if sum(map(len, verdicts.values())) < sum(self.next_offset.values()):
            self.pipeline.refresh()  # judges what had to wait for the verdict of another message
            verdicts = {topic: self._verdicts(topic) for topic in STAGED}
        there = {topic: set(self.pipeline.rows(query)) for topic, query in IN_PROD.items()}
        wrong = []
        for (topic, offset), (each, value) in sent.items():
            found = verdicts[topic].get(offset, [])
            if len(found) != 1:
                wrong.append(f"{each and each.what}: {len(found)} verdicts")
            elif each is None:
                event = json.loads(value)
                if found != [None] or (event[KEYS[topic]], event["version"]) not in there[topic]:
                    wrong.append(f"a neighbour was lost: {found}: {value[:200]!r}")
            elif not _as_agreed(topic, value, found[0]):
                wrong.append(f"{each.what}: {found[0] or 'accepted'}")
        assert not wrong, "\n".join(wrong[:200])

    def assert_nothing_else_suffers(self) -> None:
        """Reconciliation, every table, the list of rejected messages and the dashboard can all read what is there."""
        self.pipeline.assert_sound()
        rejected = int(self.pipeline.value("SELECT COUNT(*) FROM STAGING.REJECTED_EVENTS"))
        mine = [
            list_rejected(self.pipeline.endpoint, Selection(topic=name), limit=10**6) for name in self.pipeline.tables
        ]
        assert sum(map(len, mine)) == rejected
        for schema, table in self.pipeline.rows(
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM INFORMATION_SCHEMA.TABLES "
            "WHERE TABLE_SCHEMA IN ('RAW', 'STAGING', 'PROD', 'OPS') AND TABLE_TYPE = 'BASE TABLE'"
        ):
            count = int(self.pipeline.value(f"SELECT COUNT(*) FROM {schema}.{table}"))
            with warehouses.connect(self.pipeline.endpoint) as connection:
                fetched = connection.cursor().execute(f"SELECT * FROM {schema}.{table}")
                assert sum(1 for _ in fetched) == count
        reader = Reader(self.pipeline.endpoint)
        span = period(NEWEST, "custom", custom=(date(1970, 1, 1), date(2199, 12, 31)))
        for question in QUESTIONS.values():
            question(Store(reader.query), span)
        reader.close()

    def _name(self, topic: str) -> str:
        return {"customers": self.pipeline.customers, "products": self.pipeline.products}.get(
            topic, self.pipeline.orders
        )

    def _verdicts(self, topic: str) -> dict[int, list[str | None]]:
        """What became of each message, by offset: a reason, or None for accepted."""
        rows = self.pipeline.rows(
            f"SELECT e.KAFKA_OFFSET, NULL FROM STAGING.{STAGED[topic]} e "
            "JOIN OPS.KAFKA_OFFSETS k ON k.TOPIC_ID = e.TOPIC_ID AND k.KAFKA_PARTITION = e.KAFKA_PARTITION "
            "WHERE k.TOPIC = ? UNION ALL SELECT KAFKA_OFFSET, REJECT_REASON "
            "FROM STAGING.REJECTED_EVENTS WHERE TOPIC = ?",
            self._name(topic),
            self._name(topic),
        )
        verdicts: dict[int, list[str | None]] = {}
        for offset, reason in rows:
            verdicts.setdefault(int(offset), []).append(reason)
        return verdicts


class Reader(Warehouse):
    """The dashboard's connections, to the warehouse of a test."""

    def __init__(self, endpoint: WarehouseEndpoint) -> None:
        super().__init__(Settings())
        self._test_endpoint = endpoint

    def _endpoint(self) -> WarehouseEndpoint:
        return self._test_endpoint


def _as_agreed(topic: str, value: bytes, reason: str | None) -> bool:
    """Whether the contract says so too. A conflict is one between events that are accepted each by itself."""
    try:
        broken = broken_fields(topic, value)
    except UnclearError:
        return reason != ""
    if reason is None or reason.startswith("conflict: "):
        return not broken
    return any(name in reason for name in broken)


@pytest.fixture
def judged(kafka: KafkaEndpoint, emptied: Emptied) -> Callable[[Sequence[Odd]], None]:
    """Judges events in a database without others; names those to blame when a task fails or hangs, by halves."""

    def run(odd: Sequence[Odd]) -> None:
        judge = Judge(Pipeline(kafka.client_config, emptied.borrow()))
        try:
            judge.assert_each_has_a_verdict(odd)
            judge.assert_nothing_else_suffers()
        except BaseException:
            emptied.close()
            raise
        emptied.give_back()

    def check(odd: Sequence[Odd]) -> None:
        try:
            run(odd)
        except AssertionError:
            raise
        except Exception as error:
            blamed = list(odd)
            while len(blamed) > 1:
                half = blamed[: len(blamed) // 2]
                try:
                    run(half)
                except Exception:  # any failure says that it is in this half
                    blamed = half
                else:
                    blamed = blamed[len(blamed) // 2 :]
            raise AssertionError(f"{blamed[0].what}: {blamed[0].value[:2_000]!r}") from error

    return check


def test_a_field_of_any_value_is_judged_as_the_contract_says(judged: Callable[[Sequence[Odd]], None]) -> None:
    judged([*one_field_odd("F", every=41), *extremes("X")])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(12))
def test_every_field_with_every_value_is_judged_as_the_contract_says(
    judged: Callable[[Sequence[Odd]], None], part: int
) -> None:
    judged(list(one_field_odd("F"))[part::12])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_megabyte_in_any_field_is_judged_as_the_contract_says(judged: Callable[[Sequence[Odd]], None]) -> None:
    judged(list(one_field_odd("L", large=True)))


def judge_drawn(pipeline: Pipeline, examples: int) -> None:
    """Judges batch upon batch of drawn events."""
    judge = Judge(pipeline)

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn("D"))
    def check(odd: list[Odd]) -> None:
        judge.assert_each_has_a_verdict(odd)

    check()
    judge.assert_nothing_else_suffers()


def test_whatever_fields_are_drawn_are_judged_as_the_contract_says(emptied_pipeline: Pipeline) -> None:
    judge_drawn(emptied_pipeline, 1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_whatever_fields_are_drawn_are_judged_as_the_contract_says_at_length(emptied_pipeline: Pipeline) -> None:
    judge_drawn(emptied_pipeline, 25)
