"""The same dashboard for those who keep it running: it gets ready while the first visitor is still on the way.

    python -m streamlit run streamlit_monitor/server.py

`app.py` alone works as well; there the first visitor waits for the imports and the connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from dropship_dagster.settings import Settings
from streamlit_monitor import warm


@asynccontextmanager
async def _warm(_: st.App) -> AsyncIterator[None]:
    warm.begin()
    yield


# The validation reports, for the links that Dagster's UI shows: a page may not open a file of this machine.
_reports = Mount("/reports", StaticFiles(directory=Settings.load().reports_dir, check_dir=False))

app = st.App(Path(__file__).parent / "app.py", lifespan=_warm, routes=[_reports])
