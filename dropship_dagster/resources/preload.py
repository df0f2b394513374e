"""Importing slow libraries while a step waits for the warehouse anyway."""

from __future__ import annotations

import importlib
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Read when the package is imported, so it has to be set before, wherever that happens first.
os.environ["GX_ANALYTICS_ENABLED"] = "false"

CHECKS = ("great_expectations.expectations", "dagster_snowflake")
"""What the checks of PROD import: ten seconds, all of it computing, while the warehouse computes elsewhere."""


@contextmanager
def meanwhile_import(*modules: str) -> Iterator[None]:
    """Import the modules in a second thread; they are imported, or have failed to be, when the block is left.

    A module that cannot be imported is no error here: whoever needs it says so.
    """
    thread = threading.Thread(target=_import, args=modules, name="preload", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _import(*modules: str) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            logging.getLogger(__name__).warning("%s was not imported ahead: %s", module, error)
            return
