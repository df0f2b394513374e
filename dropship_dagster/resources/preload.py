"""Importing slow libraries while something else is waited for anyway."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Read when the package is imported, so it has to be set before, wherever that happens first.
os.environ["GX_ANALYTICS_ENABLED"] = "false"

CONNECTOR = "snowflake.connector"
"""What asks the warehouse anything: a second of computing, several on a loaded machine."""

CHECKS = ("great_expectations.expectations", "dagster_snowflake")
"""What the checks of PROD import: ten seconds, all of it computing, while the warehouse computes elsewhere."""

_lock = threading.Lock()
_imports: dict[str, threading.Thread] = {}


def imported(module: str) -> bool:
    """Whether the module is imported; when not, the first call begins to import it in a second thread.

    For sensors: the first tick of a new process ends at once instead of after the import, and a later one looks. A
    module that cannot be imported counts as well: whoever needs it says so.
    """
    with _lock:
        thread = _imports.get(module)
        if thread is None:
            if module in sys.modules:
                return True
            thread = threading.Thread(target=_import, args=(module,), name=f"import {module}", daemon=True)
            _imports[module] = thread
            thread.start()
        return not thread.is_alive()


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
