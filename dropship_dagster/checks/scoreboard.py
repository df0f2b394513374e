"""How well the checks tell planted faults: the dirt dial writes the truth beside the files, and here it is compared."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import dagster as dg

from dropship_dagster.assets.seeds import SEED_TABLES, seed_key
from dropship_dagster.checks.outcome import WARN
from dropship_dagster.shop import Layer, Rejects, read_batches, read_truth, score
from dropship_dagster.shop.contract import table
from dropship_dagster.shop.dirt import TRUTH_FILE

SPEC = dg.AssetCheckSpec(
    "planted_faults_are_found",
    asset=seed_key("orders"),
    description="Every fault that `dirty` planted for the contract to find is found (recall), and nothing else is.",
)

_ALL = 10_000_000


def evaluate(folder: Path) -> dg.AssetCheckResult:
    """Read every file by its contract and compare what is rejected with what was planted."""
    if not (folder / TRUTH_FILE).is_file():
        return _result(passed=True, description="No fault was planted.")
    truth = read_truth(folder)
    found = Rejects(keep=_ALL)
    for name in SEED_TABLES:
        for _batch in read_batches(folder, table(name), found):
            pass
    board = score(truth, found.kept, Layer.CSV)
    planted = Counter((fault.layer, fault.kind) for fault in truth)
    return _result(
        passed=all(recall == 1 for recall in board.recall.values()) and board.precision == 1,
        description=(
            f"{board.found:,} of {board.faults:,} faults against the contract are found, "
            f"precision {board.precision:.1%}; {len(truth):,} faults were planted in all."
        ),
        metadata={
            "faults": board.faults,
            "found": board.found,
            "false_alarms": board.false_alarms,
            "precision": board.precision,
            "recall": dg.MetadataValue.json(board.recall),
            "planted": dg.MetadataValue.json({f"{layer}: {kind}": count for (layer, kind), count in planted.items()}),
        },
    )


def _result(
    *, passed: bool, description: str, metadata: dict[str, int | float | dg.JsonMetadataValue] | None = None
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=SPEC.asset_key,
        check_name=SPEC.name,
        passed=passed,
        severity=WARN,
        description=description,
        metadata=metadata or {},
    )
