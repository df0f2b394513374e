"""Distinguishes discrepancies from data in flight: live traffic always has messages between two stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from logging import Logger

import dagster as dg

from dropship_dagster.checks.outcome import ERROR
from dropship_dagster.endpoints import WarehouseEndpoint

_LOOKS = 3
_TIMEOUT_SECONDS = 300.0


def settled(
    evaluate: Callable[[], Iterable[dg.AssetCheckResult]], endpoint: WarehouseEndpoint, log: Logger
) -> list[dg.AssetCheckResult]:
    """Evaluate; while something critical fails, refresh and evaluate again, a few times.

    A message that was loaded a moment ago is in no table of STAGING yet, and in the middle of a refresh PROD's tables
    are a moment apart. A refresh ends both, and repairs nothing that is wrong.
    """
    from dropship_dagster.warehouse import RefreshError, refresh

    results = list(evaluate())
    for _ in range(_LOOKS - 1):
        if not any(not result.passed and result.severity == ERROR for result in results):
            break
        try:
            refresh(endpoint, timeout=_TIMEOUT_SECONDS)
        except RefreshError as error:
            log.warning("What is on its way could not be waited for: %s", error)
            break
        results = list(evaluate())
    return results
