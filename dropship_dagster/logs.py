"""Logs of the commands: a line of text for people, a JSON object a line for collectors.

Secrets stay out of both: whatever is known to be one is redacted wherever it shows, tracebacks included.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

LogFormat = Literal["text", "json"]

_BLOT = "***"
# What a record has by itself; anything else was given as `extra` and is a field of the JSON object.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(
    form: LogFormat,
    *,
    level: str = "INFO",
    secrets: Iterable[str] = (),
    fields: Mapping[str, Any] | None = None,
    stream: TextIO | None = None,
) -> None:
    """Send the platform's and its libraries' logs to standard error.

    Args:
        form: "text" or "json".
        level: the least level of the platform's own logs; libraries are heard from WARNING on.
        secrets: texts that must never show; empty ones are ignored.
        fields: what every JSON object holds, like the service's name.
        stream: where to instead of standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    known = list(secrets)
    handler.setFormatter(_Json(known, fields or {}) if form == "json" else _Text(known))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("dropship", "dropship_dagster"):
        logging.getLogger(name).setLevel(level)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, the longest first: one may be a part of another."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, _BLOT)
    return text


def are_json() -> bool:
    """Whether logs go out as JSON."""
    return any(isinstance(handler.formatter, _Json) for handler in logging.getLogger().handlers)


class _Text(logging.Formatter):
    """`2026-01-31T12:00:00.123Z LEVEL name message`."""

    def __init__(self, secrets: list[str]) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record), self._secrets)


class _Json(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the fields, `exception` where there is one."""

    def __init__(self, secrets: list[str], fields: Mapping[str, Any]) -> None:
        super().__init__()
        self._secrets, self._fields = secrets, dict(fields)

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._fields,
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(_cleaned(entry, self._secrets), ensure_ascii=False, default=str)


def _cleaned(value: Any, secrets: list[str]) -> Any:
    """Blotted before it is encoded: a secret with a quote in it looks otherwise in JSON."""
    if isinstance(value, Mapping):
        return {str(name): _cleaned(entry, secrets) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(entry, secrets) for entry in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redacted(str(value), secrets)
