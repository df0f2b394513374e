"""What takes long is done while the server opens its port and the first visitor's browser fetches the scripts.

First what the figures need, then the connection and the pulse, which wait for the warehouse, then what the charts need.
"""

from __future__ import annotations

import threading


def begin() -> None:
    """Start, and do not wait for it; a visitor who is quicker waits for the same imports."""
    threading.Thread(target=_warm, name="warm", daemon=True).start()


def _warm() -> None:
    from streamlit_monitor import navigation  # noqa: F401 - the pages, pandas and the connector
    from streamlit_monitor.live import connect

    threading.Thread(target=connect, name="connect", daemon=True).start()
    import altair  # noqa: F401 - for the charts
