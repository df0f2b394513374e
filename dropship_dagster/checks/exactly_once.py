"""Reconciliation as asset checks: each message is in RAW once, in STAGING once, and PROD is what the events say."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from dropship_dagster.assets import names
from dropship_dagster.checks.outcome import ERROR, WARN, fail_if_critical, key_of
from dropship_dagster.checks.settle import settled
from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.resources import KafkaResource, WarehouseResource, user_errors
from dropship_dagster.settings import Settings

_ONCE = "each_message_once"
_CAUGHT_UP = "is_caught_up"
_STAGED = "each_message_staged_once"
_FEW = "few_are_rejected"
_FOLD = "equals_the_accepted_events"

_REJECTED = names.key("staging/rejected_events")
_FEW_SHARE = 0.01
"""The share of rejected messages above which somebody should look."""


def _specs() -> Iterator[dg.AssetCheckSpec]:
    for table in names.RAW_TABLES:
        yield dg.AssetCheckSpec(
            _ONCE, asset=table.key, description="No offset is missing, none is there twice, topic re-made or not."
        )
        yield dg.AssetCheckSpec(_CAUGHT_UP, asset=table.key, description="Everything the broker holds is loaded.")
    yield dg.AssetCheckSpec(
        _STAGED, asset=_REJECTED, description="Each message of RAW is accepted or rejected, and never both."
    )
    yield dg.AssetCheckSpec(
        _FEW, asset=_REJECTED, description=f"At most {_FEW_SHARE:.0%} of the messages are rejected."
    )
    for table in names.PROD_TABLES:
        yield dg.AssetCheckSpec(
            _FOLD, asset=table.key, description="The table equals the fold of the accepted events, recomputed."
        )


@dg.multi_asset_check(name="exactly_once", specs=list(_specs()), can_subset=True)
def exactly_once(
    context: dg.AssetCheckExecutionContext, kafka: KafkaResource, warehouse: WarehouseResource
) -> Iterator[dg.AssetCheckResult]:
    """Run the reconciliation; it gives one result per table."""
    client, endpoint = kafka.client_config(), warehouse.endpoint()
    selected = context.selected_asset_check_keys

    def evaluate() -> list[dg.AssetCheckResult]:
        return [result for result in _results(client, endpoint) if key_of(result) in selected]

    with user_errors():
        results = settled(evaluate, endpoint, context.log)
    yield from fail_if_critical(results)


def _results(client: Mapping[str, str], endpoint: WarehouseEndpoint) -> Iterator[dg.AssetCheckResult]:
    from dropship_dagster import warehouse as wh

    settings = Settings.load()
    report = wh.verify(endpoint, client_config=client, topics=settings.topics)
    topics = {table: topic for topic, table in wh.raw_tables(settings).items()}
    for table in names.RAW_TABLES:
        yield from _raw(table, report.topics[topics[table.name.upper()]])
    yield from _staging(report.staging, report.waiting)
    for table in names.PROD_TABLES:
        yield from _prod(table, report.prod[table.name.upper()])


def _raw(table: names.Table, verdict: Any) -> list[dg.AssetCheckResult]:
    facts = {
        "rows": verdict.raw_rows,
        "duplicates": verdict.duplicates,
        "gaps": verdict.gaps,
        "known_gaps": verdict.known_gaps,
        "next_offset": verdict.next_offset,
        "broker_end": verdict.broker_end,
    }
    once = f"{verdict.raw_rows:,} messages; {verdict.duplicates:,} twice, {verdict.gaps:,} missing."
    lag = f"{verdict.lag:,} messages of the topic are not loaded yet."
    return [
        _result(table.key, _ONCE, not (verdict.duplicates or verdict.gaps), once, metadata=facts),
        _result(table.key, _CAUGHT_UP, not verdict.lag, lag, WARN, {"lag": verdict.lag}),
    ]


def _staging(verdict: Any, waiting: int) -> list[dg.AssetCheckResult]:
    """`waiting` messages are missing only until the next run of the task graph."""
    missing = verdict.missing - waiting
    total = verdict.accepted + verdict.rejected
    share = verdict.rejected / total if total else 0.0
    staged = f"{total:,} messages; {missing:,} missing, {verdict.doubled:,} twice, {waiting:,} wait for a refresh."
    few = f"{verdict.rejected:,} of {total:,} messages are rejected: `dropship rejected list` tells why."
    facts = {"accepted": verdict.accepted, "rejected": verdict.rejected}
    return [
        _result(_REJECTED, _STAGED, not (missing or verdict.doubled), staged, metadata=facts),
        _result(_REJECTED, _FEW, share <= _FEW_SHARE, few, WARN, {"share": share}),
    ]


def _prod(table: names.Table, verdict: Any) -> list[dg.AssetCheckResult]:
    same = verdict.is_right or verdict.merging
    text = f"{verdict.rows:,} rows, {verdict.expected:,} expected, {verdict.differences:,} differences."
    facts: dict[str, Any] = {"rows": verdict.rows, "expected": verdict.expected, "differences": verdict.differences}
    if verdict.examples:
        facts["examples"] = dg.MetadataValue.json([dict(example) for example in verdict.examples])
    return [_result(table.key, _FOLD, same, text, metadata=facts)]


def _result(
    asset: dg.AssetKey,
    check: str,
    passed: bool,
    description: str,
    severity: dg.AssetCheckSeverity = ERROR,
    metadata: dict[str, Any] | None = None,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=check,
        passed=passed,
        severity=severity,
        description=description,
        metadata=metadata or {},
    )
