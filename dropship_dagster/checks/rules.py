"""A rule: a query for the rows that break it. The same shape serves the CSV files and the warehouse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from dropship_dagster.checks.outcome import ERROR, MAX_SAMPLES, WARN, sample_table

Query = Callable[[str], tuple[list[str], Sequence[tuple[Any, ...]]]]
"""Runs a SELECT; returns the columns' names and the rows."""


@dataclass(frozen=True)
class Rule:
    """What must hold for an asset.

    `violations` is a SELECT of the rows that break the rule; its columns are shown as samples. A rule is critical when
    a violation makes the platform's figures wrong, else it warns.
    """

    asset: dg.AssetKey
    name: str
    description: str
    violations: str
    critical: bool = True

    @property
    def key(self) -> dg.AssetCheckKey:
        """The check's key."""
        return dg.AssetCheckKey(self.asset, self.name)

    def spec(self, *, blocking: bool) -> dg.AssetCheckSpec:
        """The check's definition; only a critical rule can block."""
        return dg.AssetCheckSpec(
            self.name, asset=self.asset, description=self.description, blocking=blocking and self.critical
        )

    def evaluate(self, query: Query, *, tolerate: int = 0) -> dg.AssetCheckResult:
        """Count the violations and show the first few; up to `tolerate` of them only warn."""
        _, counted = query(f"SELECT COUNT(*) FROM ({self.violations}) AS VIOLATIONS")
        count = int(counted[0][0])
        metadata: dict[str, Any] = {"violations": count}
        if count:
            columns, rows = query(f"SELECT * FROM ({self.violations}) AS VIOLATIONS LIMIT {MAX_SAMPLES}")
            metadata["samples"] = sample_table(columns, rows)
        return dg.AssetCheckResult(
            asset_key=self.asset,
            check_name=self.name,
            passed=count == 0,
            severity=ERROR if self.critical and count > tolerate else WARN,
            description=self.description if not count else f"{count:,} rows break the rule: {self.description}",
            metadata=metadata,
        )
