"""Runs the graph whenever something was loaded, one run after the other, beside a loader that follows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from snowflake.connector import errors as snowflake_errors

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse.connection import message_of
from dropship_dagster.warehouse.errors import WarehouseError
from dropship_dagster.warehouse.graph import refresh

logger = logging.getLogger(__name__)

_PAUSE_AFTER_FAILURE = 5.0


class Refresher:
    """A thread that refreshes after `notify`; what is notified during a run is taken up by the next.

    Several followers do not queue up: a refresh joins the request that waits behind the run of another (see `refresh`).
    A failed refresh loses nothing (its streams stay where they are), so it is told and tried again.

    Args:
        endpoint: the deployed warehouse.
        on_failure: told why a refresh failed.
    """

    def __init__(self, endpoint: WarehouseEndpoint, on_failure: Callable[[str], None]) -> None:
        self._endpoint, self._on_failure = endpoint, on_failure
        self._loaded, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="refresh", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Something was loaded."""
        self._loaded.set()

    def close(self) -> None:
        """End; a run that is under way goes on in the warehouse."""
        self._stop.set()
        self._loaded.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._loaded.wait()
            if self._stop.is_set():
                return
            self._loaded.clear()
            try:
                refresh(self._endpoint, stop=self._stop, as_loader=True)
            except (WarehouseError, snowflake_errors.Error, OSError) as error:
                if self._stop.is_set():
                    return
                logger.warning("A refresh failed: %s", message_of(error))
                self._on_failure(message_of(error))
                self._loaded.set()
                self._stop.wait(_PAUSE_AFTER_FAILURE)
