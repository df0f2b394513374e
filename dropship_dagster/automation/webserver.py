"""Dagster's UI, which answers nobody but the pages of its own host: `python -m dropship_dagster.automation.webserver`.

It takes the arguments of `dagster-webserver`, which has no such check: its GraphQL runs mutations for any page that can
reach it, also by GET.
"""

from __future__ import annotations

import dagster_webserver.app
from dagster_webserver.cli import main
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware

from dropship_dagster.settings import HOW_TO_ALLOW_A_HOST, Settings
from local_service import privacy
from local_service.hosts import OwnHosts


class Webserver(DagsterWebserver):  # type: ignore[type-arg] # generic for type checkers alone
    """Dagster's, behind the check of hosts."""

    def build_middleware(self) -> list[Middleware]:
        """The check first, then Dagster's own."""
        return [
            Middleware(OwnHosts, names=Settings.load().allowed_hosts, how_to_allow=HOW_TO_ALLOW_A_HOST),
            *super().build_middleware(),
        ]


if __name__ == "__main__":
    privacy.be_private()
    dagster_webserver.app.DagsterWebserver = Webserver  # type: ignore[attr-defined] # what makes the app
    main()  # type: ignore[no-untyped-call]
