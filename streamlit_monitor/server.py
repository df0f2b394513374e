"""The same dashboard for those who keep it running: what takes long to import is there before the first visitor is.

    python -m streamlit run streamlit_monitor/server.py

`app.py` alone works as well; there the first visitor waits for the imports.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from dropship_dagster.settings import Settings


@asynccontextmanager
async def _imported(_: st.App) -> AsyncIterator[None]:
    import streamlit_monitor.navigation  # noqa: F401 - the pages and, with them, the connector, pandas and Altair

    yield


# The validation reports, for the links that Dagster's UI shows: a page may not open a file of this machine.
_reports = Mount("/reports", StaticFiles(directory=Settings.load().reports_dir, check_dir=False))

app = st.App(Path(__file__).parent / "app.py", lifespan=_imported, routes=[_reports])
