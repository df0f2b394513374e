"""Where alerts go."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import dagster as dg
from pydantic import Field

from dropship_dagster.errors import DropshipError
from dropship_dagster.settings import Settings

_TIMEOUT_SECONDS = 5.0


class AlertResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A webhook that takes {"text": ...}, as Slack's incoming webhooks do; without one, alerts stay in the log.

    The address is a secret (who has it may post), so it is given as an environment variable and never shown.
    """

    webhook: str | None = Field(default=None, description="The webhook's address; https, or http on this machine.")
    ui: str | None = Field(default=None, description="Where Dagster's UI is; by default on this machine.")

    def run_url(self, run_id: str) -> str:
        """The page of a run."""
        base = self.ui or f"http://127.0.0.1:{Settings.load().dagster_port}"
        return f"{base.rstrip('/')}/runs/{run_id}"

    def send(self, text: str) -> bool:
        """Post a text; whether there was a webhook to post to.

        Raises:
            DropshipError: the webhook's address cannot be used, or it did not take the alert. Names its host alone.
        """
        if not self.webhook:
            return False
        address = urlsplit(self.webhook)
        if address.scheme != "https" and address.hostname not in {"127.0.0.1", "localhost"}:
            raise DropshipError("DROPSHIP_ALERT_WEBHOOK must begin with https://, or lead to this machine.")
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            self.webhook, json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
                return True
        except (urllib.error.URLError, TimeoutError) as error:
            reason = getattr(error, "reason", error)
            raise DropshipError(f"The alert webhook at {address.hostname} did not take an alert: {reason}.") from None


def alert_resource() -> AlertResource:
    """The resource as DROPSHIP_ALERT_WEBHOOK and DROPSHIP_DAGSTER_URL configure it, when they are set.

    An EnvVar keeps the address out of Dagster's UI; it must not name a variable that is not set.
    """
    variables = {"webhook": "DROPSHIP_ALERT_WEBHOOK", "ui": "DROPSHIP_DAGSTER_URL"}
    return AlertResource(**{field: dg.EnvVar(name) for field, name in variables.items() if os.environ.get(name)})
