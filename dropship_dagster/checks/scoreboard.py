"""How well the checks find planted faults: what they report is compared with the truth that fault injection wrote.

Two checks tell it, each for what can be seen where it looks: `planted_faults_are_found` in the CSV files (below) and
`planted_faults_are_seen` in the warehouse (`dropship_dagster.checks.warehouse_scoreboard`). The report collects both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from dropship_dagster.assets.reports.model import SCOREBOARD
from dropship_dagster.assets.seeds import SEED_TABLES, seed_key
from dropship_dagster.checks.outcome import WARN
from dropship_dagster.shop import Layer, Rejects, read_batches, read_truth, score
from dropship_dagster.shop.contract import table
from dropship_dagster.shop.fault_injection import TRUTH_FILE

SPEC = dg.AssetCheckSpec(
    "planted_faults_are_found",
    asset=seed_key("orders"),
    description="Every fault that `dirty` planted for the contract to find is found (recall), and nothing else is.",
)

NOTHING_PLANTED = "No fault was planted."

_ALL = 10_000_000


@dataclass(frozen=True)
class Line:
    """How a kind of fault fared.

    Attributes:
        where: "csv" or "warehouse".
        kind: the kind of fault, with its file where that decides how it is told.
        planted: how many the truth lists.
        reached: how many of them came so far that they could be told; the others went down with a neighbour's fault.
        found: how many of these were told.
        false_alarms: how many things were told that are neither faults nor follow from one; None where only the sum
            over all kinds is known.
    """

    where: str
    kind: str
    planted: int
    reached: int
    found: int
    false_alarms: int | None

    @property
    def recall(self) -> float:
        """The share of the faults that were told; 1 when there was none."""
        return self.found / self.reached if self.reached else 1.0

    @property
    def precision(self) -> float | None:
        """The share of true faults among what was told; 1 when nothing was."""
        if self.false_alarms is None:
            return None
        told = self.found + self.false_alarms
        return self.found / told if told else 1.0

    @property
    def perfect(self) -> bool:
        """Whether everything was told and nothing else."""
        return self.recall == 1 and self.precision in (1, None)

    def values(self) -> dict[str, Any]:
        """The line as the report shows it."""
        return {
            "where": self.where,
            "kind": self.kind,
            "planted": self.planted,
            "reached": self.reached,
            "found": self.found,
            "recall": round(self.recall, 4),
            "false_alarms": self.false_alarms,
            "precision": None if self.precision is None else round(self.precision, 4),
        }


def result(
    spec: dg.AssetCheckSpec, lines: Sequence[Line], description: str, metadata: dict[str, Any] | None = None
) -> dg.AssetCheckResult:
    """The lines as the result of a check, which warns when one of them is not perfect."""
    board = {SCOREBOARD: dg.MetadataValue.json([line.values() for line in lines])} if lines else {}
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=all(line.perfect for line in lines),
        severity=WARN,
        description=description,
        metadata={**board, **(metadata or {})},
    )


def evaluate(folder: Path) -> dg.AssetCheckResult:
    """Read every file by its contract and compare what is rejected with what was planted."""
    if not (folder / TRUTH_FILE).is_file():
        return result(SPEC, (), NOTHING_PLANTED)
    truth = read_truth(folder)
    rejects = Rejects(keep=_ALL)
    for name in SEED_TABLES:
        for _batch in read_batches(folder, table(name), rejects):
            pass
    board = score(truth, rejects.kept, Layer.CSV)
    counted = Counter(fault.kind for fault in truth if fault.layer == Layer.CSV.value)
    lines = [
        Line("csv", kind, counted[kind], counted[kind], round(recall * counted[kind]), None)
        for kind, recall in board.recall.items()
    ]
    lines.append(Line("csv", "all of these", board.faults, board.faults, board.found, board.false_alarms))
    planted = Counter(f"{fault.layer}: {fault.kind}" for fault in truth)
    return result(
        SPEC,
        lines,
        f"{board.found:,} of {board.faults:,} faults against the contract are found, precision {board.precision:.1%}; "
        f"{len(truth):,} faults were planted in all.",
        {"planted": dg.MetadataValue.json(dict(planted))},
    )
