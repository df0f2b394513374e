"""An asset check for every expectation of a suite; a suite is one step and one checkpoint."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from dropship_dagster.checks.expectations.suites import SUITES, Suite
from dropship_dagster.checks.outcome import ERROR, WARN, fail_if_critical, sample_table
from dropship_dagster.checks.settle import settled
from dropship_dagster.resources import WarehouseResource, user_errors


def expectation_checks(suite: Suite) -> dg.AssetChecksDefinition:
    """The asset checks of one table."""
    specs = [
        dg.AssetCheckSpec(expected.check, asset=suite.table.key, description=expected.description)
        for expected in suite.expected
    ]

    @dg.multi_asset_check(
        name=f"expectations_{suite.table.schema}_{suite.table.name}",
        specs=specs,
        can_subset=True,
        description=f"Great Expectations over {suite.table.sql_name}, as SQL in the warehouse.",
    )
    def expectations(
        context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.AssetCheckResult]:
        # Imported here: five seconds and 280 MB that neither loading the definitions nor other steps should pay.
        from dropship_dagster.checks.expectations.validate import validate

        keys = context.selected_asset_check_keys
        selected = [expected for expected in suite.expected if suite.check_key(expected) in keys]
        tag = f"dropship checks run={context.run.run_id} asset={suite.table.key.to_user_string()}"
        endpoint = warehouse.endpoint()

        def evaluate() -> list[dg.AssetCheckResult]:
            # An expectation asks several questions; rows that come between them are no fault of the table.
            return [_result(suite, each) for each in validate(suite, selected, endpoint, query_tag=tag)]

        with user_errors():
            results = settled(evaluate, endpoint, context.log)
        yield from fail_if_critical(results)

    return expectations


def _result(suite: Suite, validated: Any) -> dg.AssetCheckResult:
    expected = validated.expected
    metadata: dict[str, Any] = {"expectation": expected.type}
    facts = {"observed": validated.observed, "rows": validated.rows, "unexpected": validated.unexpected}
    metadata.update({name: value for name, value in facts.items() if isinstance(value, int | float | str)})
    if validated.samples:
        metadata["samples"] = sample_table(["value"], [(value,) for value in validated.samples])
    return dg.AssetCheckResult(
        asset_key=suite.table.key,
        check_name=expected.check,
        passed=validated.passed,
        severity=ERROR if expected.critical or validated.error else WARN,
        description=_sentence(validated),
        metadata=metadata,
    )


def _sentence(validated: Any) -> str:
    expected = validated.expected
    if validated.error:
        return f"Could not be evaluated: {validated.error}"
    if validated.passed:
        return str(expected.description)
    if validated.unexpected:
        return f"{validated.unexpected:,} rows break it: {expected.description}"
    return f"Does not hold: {expected.description}"


EXPECTATION_CHECKS = tuple(expectation_checks(suite) for suite in SUITES)
