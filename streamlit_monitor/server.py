"""The same dashboard for those who keep it running: what takes long to import is there before the first visitor is.

    python -m streamlit run streamlit_monitor/server.py

`app.py` alone works as well; there the first visitor waits for the imports.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st


@asynccontextmanager
async def _imported(_: st.App) -> AsyncIterator[None]:
    import streamlit_monitor.navigation  # noqa: F401 - the pages and, with them, the connector, pandas and Altair

    yield


app = st.App(Path(__file__).parent / "app.py", lifespan=_imported)
