"""The same dashboard for those who keep it running: it gets ready while the first visitor is still on the way.

    python -m streamlit run streamlit_monitor/server.py

`app.py` alone works as well; there the first visitor waits for the imports and the connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from dropship_dagster.settings import HOW_TO_ALLOW_A_HOST, Settings
from local_service.hosts import OwnHosts
from streamlit_monitor import warm


class ReportFiles(StaticFiles):
    """The files of the reports folder, which may be missing: it comes with the first report."""

    async def check_config(self) -> None:
        """Nothing: a folder that is not there holds no file, now."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file; 404 when it is not there or cannot be read.

        Raises:
            HTTPException: 404, or 405 for another method than GET and HEAD.
        """
        try:
            return await super().get_response(path, scope)
        except OSError as error:
            raise HTTPException(404) from error


@asynccontextmanager
async def _warm(_: st.App) -> AsyncIterator[None]:
    warm.begin()
    yield


# The validation reports, for the links that Dagster's UI shows: a page may not open a file of this machine.
_settings = Settings.load()
_reports = Mount("/reports", ReportFiles(directory=_settings.reports_dir, check_dir=False))
_hosts = Middleware(OwnHosts, names=_settings.allowed_hosts, how_to_allow=HOW_TO_ALLOW_A_HOST)

app = st.App(Path(__file__).parent / "app.py", lifespan=_warm, routes=[_reports], middleware=[_hosts])
