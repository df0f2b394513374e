"""Runs a suite with Great Expectations. Importing this module takes seconds."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe

from dropship_dagster.checks.expectations.suites import Expected, Suite
from dropship_dagster.checks.outcome import MAX_SAMPLES
from dropship_dagster.endpoints import WarehouseEndpoint

logging.getLogger("great_expectations").setLevel(logging.ERROR)

_PLACEHOLDER = "see connect_args"
"""The URL's fields that GX insists on; the connector takes the values of connect_args instead."""


@dataclass(frozen=True)
class Validated:
    """What Great Expectations says of one expectation; `error` is set when it could not be evaluated."""

    expected: Expected
    passed: bool
    observed: Any
    rows: int | None
    unexpected: int | None
    samples: tuple[Any, ...]
    error: str | None


def validate(
    suite: Suite, selected: Sequence[Expected], endpoint: WarehouseEndpoint, *, query_tag: str
) -> Iterator[Validated]:
    """Evaluate the selected expectations of a suite in one checkpoint, as SQL in the warehouse.

    Expectations over the same table share their queries: ten cost about 14 statements, whatever the number of rows.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    warehouse = context.data_sources.add_snowflake(
        name="warehouse",
        account=endpoint.account,
        user=endpoint.connect_args["user"],
        password=_PLACEHOLDER,
        database=endpoint.database,
        schema=suite.table.schema,
        warehouse=endpoint.warehouse,
        role=endpoint.role or _PLACEHOLDER,
        create_temp_table=False,
        kwargs={"connect_args": _connect_args(endpoint, query_tag)},
    )
    try:
        batch = warehouse.add_table_asset(name=suite.table.name, table_name=suite.table.name)
        definition = gx.ValidationDefinition(
            name=suite.table.name,
            data=batch.add_batch_definition_whole_table("all"),
            suite=context.suites.add(gx.ExpectationSuite(name=suite.table.name, expectations=_gx(selected))),
        )
        checkpoint = gx.Checkpoint(
            name=suite.table.name,
            validation_definitions=[context.validation_definitions.add(definition)],
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": MAX_SAMPLES},
        )
        (outcome,) = checkpoint.run().run_results.values()
    finally:
        warehouse.get_engine().dispose()
    by_check = {each.check: each for each in selected}
    for result in outcome.results:
        yield _validated(by_check[result.expectation_config.meta["check"]], result)


def _connect_args(endpoint: WarehouseEndpoint, query_tag: str) -> dict[str, Any]:
    """The connector's arguments win over the URL, so that every way of signing in works and no secret is in a URL."""
    parameters = {"QUERY_TAG": query_tag, "TIMEZONE": "UTC"}
    return {"password": None, "role": None, **endpoint.connect_args, "session_parameters": parameters}


def _gx(selected: Sequence[Expected]) -> list[Any]:
    return [
        getattr(gxe, each.type)(
            **each.arguments,
            severity="critical" if each.critical else "warning",
            meta={"check": each.check},
        )
        for each in selected
    ]


def _validated(expected: Expected, result: Any) -> Validated:
    details = result.result or {}
    exception = _exception(result.exception_info or {})
    return Validated(
        expected=expected,
        passed=bool(result.success) and exception is None,
        observed=details.get("observed_value"),
        rows=details.get("element_count"),
        unexpected=details.get("unexpected_count"),
        samples=tuple(details.get("partial_unexpected_list") or ()),
        error=exception,
    )


def _exception(info: dict[str, Any]) -> str | None:
    """GX gives one record, or one for each metric that failed."""
    records = [info] if "raised_exception" in info else list(info.values())
    messages = [str(record["exception_message"]) for record in records if record.get("raised_exception")]
    return messages[0] if messages else None
