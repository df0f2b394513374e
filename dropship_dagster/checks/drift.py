"""Whether the newest orders are distributed as those before them: a jump means another shop, or another bug."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from dropship_dagster.assets.names import key
from dropship_dagster.checks.outcome import WARN
from dropship_dagster.checks.rules import Query

_DAYS = 30
_ENOUGH_ORDERS = 200
"""Below this in either period, chance alone moves the index."""

_JUMP = 0.25
"""Above this a population stability index is commonly read as a significant shift."""

_SHARES = """
WITH NEWEST AS (SELECT MAX(PLACED_AT) AS PLACED_AT FROM PROD.ORDERS)
SELECT
  O.{column},
  COUNT_IF(O.PLACED_AT > DATEADD(DAY, -{days}, N.PLACED_AT)) AS NEW_ORDERS,
  COUNT_IF(O.PLACED_AT <= DATEADD(DAY, -{days}, N.PLACED_AT)) AS OLD_ORDERS
FROM PROD.ORDERS O CROSS JOIN NEWEST N
WHERE O.PLACED_AT > DATEADD(DAY, -2 * {days}, N.PLACED_AT)
GROUP BY O.{column}
"""


@dataclass(frozen=True)
class Drift:
    """The distribution of a column of PROD.ORDERS over two periods."""

    column: str

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """The check's definition."""
        return dg.AssetCheckSpec(
            f"{self.column}_is_stable",
            asset=key("prod/orders"),
            description=f"{self.column.upper()} is distributed in the last {_DAYS} days as in the {_DAYS} before.",
        )

    def evaluate(self, query: Query) -> dg.AssetCheckResult:
        """Compare the two periods by their population stability index."""
        rows = query(_SHARES.format(column=self.column.upper(), days=_DAYS))[1]
        new = {str(value): int(count) for value, count, _ in rows}
        old = {str(value): int(count) for value, _, count in rows}
        enough = min(sum(new.values()), sum(old.values())) >= _ENOUGH_ORDERS
        index = stability_index(new, old) if enough else 0.0
        description = (
            f"Population stability index {index:.3f}; above {_JUMP} is a jump."
            if enough
            else f"Fewer than {_ENOUGH_ORDERS} orders in a period: nothing to tell."
        )
        return dg.AssetCheckResult(
            asset_key=self.spec.asset_key,
            check_name=self.spec.name,
            passed=index <= _JUMP,
            severity=WARN,
            description=description,
            metadata={
                "index": round(index, 4),
                "new_orders": sum(new.values()),
                "old_orders": sum(old.values()),
                "new": dg.MetadataValue.json(new),
                "old": dg.MetadataValue.json(old),
            },
        )


def stability_index(new: Mapping[str, int], old: Mapping[str, int]) -> float:
    """Sum of (new share - old share) x ln(new share / old share); half an order stands for none."""
    values = new.keys() | old.keys()
    totals = sum(max(new.get(value, 0), 0.5) for value in values), sum(max(old.get(value, 0), 0.5) for value in values)
    shares = [(max(new.get(each, 0), 0.5) / totals[0], max(old.get(each, 0), 0.5) / totals[1]) for each in values]
    return sum((here - there) * math.log(here / there) for here, there in shares)


DRIFTS = tuple(Drift(column) for column in ("channel", "country", "payment_method"))
