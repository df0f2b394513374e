"""The shop: a drop-shipping clothing shop's data, its CSV contract, and reading and writing by that contract.

Knows no Kafka, no SQL, no orchestration. Called by stream, assets, checks and the command line. Names are loaded when
they are first used: who only reads files need not wait for what generates them.
"""

from typing import TYPE_CHECKING

from dropship_dagster.lazy import loader

if TYPE_CHECKING:
    from dropship_dagster.shop.checking import CheckReport as CheckReport
    from dropship_dagster.shop.checking import check as check
    from dropship_dagster.shop.config import Parameters as Parameters
    from dropship_dagster.shop.config import ShopConfig as ShopConfig
    from dropship_dagster.shop.config import load_parameters as load_parameters
    from dropship_dagster.shop.counting import row_counts as row_counts
    from dropship_dagster.shop.datasets import DataSet as DataSet
    from dropship_dagster.shop.datasets import Difference as Difference
    from dropship_dagster.shop.datasets import Record as Record
    from dropship_dagster.shop.datasets import data_set as data_set
    from dropship_dagster.shop.datasets import differences as differences
    from dropship_dagster.shop.datasets import records_of as records_of
    from dropship_dagster.shop.datasets import stream_of as stream_of
    from dropship_dagster.shop.errors import OwnFilesError as OwnFilesError
    from dropship_dagster.shop.errors import ShopError as ShopError
    from dropship_dagster.shop.errors import TooManyRejectsError as TooManyRejectsError
    from dropship_dagster.shop.fault_injection import Fault as Fault
    from dropship_dagster.shop.fault_injection import Layer as Layer
    from dropship_dagster.shop.fault_injection import Score as Score
    from dropship_dagster.shop.fault_injection import read_truth as read_truth
    from dropship_dagster.shop.fault_injection import score as score
    from dropship_dagster.shop.history import generate as generate
    from dropship_dagster.shop.manifest import Manifest as Manifest
    from dropship_dagster.shop.manifest import fitting_manifest as fitting_manifest
    from dropship_dagster.shop.manifest import read_manifest as read_manifest
    from dropship_dagster.shop.ownership import close_generated as close_generated
    from dropship_dagster.shop.ownership import folder_signature as folder_signature
    from dropship_dagster.shop.ownership import generated_manifest as generated_manifest
    from dropship_dagster.shop.ownership import own_files as own_files
    from dropship_dagster.shop.ownership import used_as_they_are as used_as_they_are
    from dropship_dagster.shop.parts import known_before as known_before
    from dropship_dagster.shop.parts import tables_of as tables_of
    from dropship_dagster.shop.reading import Batch as Batch
    from dropship_dagster.shop.reading import read as read
    from dropship_dagster.shop.reading import read_batches as read_batches
    from dropship_dagster.shop.rejects import Reject as Reject
    from dropship_dagster.shop.rejects import Rejects as Rejects
else:
    __getattr__ = loader(
        __name__,
        {
            "checking": ("CheckReport", "check"),
            "config": ("Parameters", "ShopConfig", "load_parameters"),
            "counting": ("row_counts",),
            "datasets": ("DataSet", "Difference", "Record", "data_set", "differences", "records_of", "stream_of"),
            "fault_injection": ("Fault", "Layer", "Score", "read_truth", "score"),
            "errors": ("OwnFilesError", "ShopError", "TooManyRejectsError"),
            "history": ("generate",),
            "manifest": ("Manifest", "fitting_manifest", "read_manifest"),
            "ownership": (
                "close_generated",
                "folder_signature",
                "generated_manifest",
                "own_files",
                "used_as_they_are",
            ),
            "parts": ("known_before", "tables_of"),
            "reading": ("Batch", "read", "read_batches"),
            "rejects": ("Reject", "Rejects"),
        },
    )
