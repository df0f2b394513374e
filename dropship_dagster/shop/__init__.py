"""The shop: a drop-shipping clothing shop's data, its CSV contract, and reading and writing by that contract.

Knows no Kafka, no SQL, no orchestration. Called by stream, assets, checks and the command line.
"""

from dropship_dagster.shop.checking import CheckReport, check
from dropship_dagster.shop.config import Parameters, ShopConfig, load_parameters
from dropship_dagster.shop.dirt import Fault, Layer, Score, read_truth, score
from dropship_dagster.shop.errors import ShopError, TooManyRejectsError
from dropship_dagster.shop.generate import generate
from dropship_dagster.shop.manifest import Manifest, read_manifest
from dropship_dagster.shop.reading import Batch, read, read_batches
from dropship_dagster.shop.rejects import Reject, Rejects

__all__ = [
    "Batch",
    "CheckReport",
    "Fault",
    "Layer",
    "Manifest",
    "Parameters",
    "Reject",
    "Rejects",
    "Score",
    "ShopConfig",
    "ShopError",
    "TooManyRejectsError",
    "check",
    "generate",
    "load_parameters",
    "read",
    "read_batches",
    "read_manifest",
    "read_truth",
    "score",
]
