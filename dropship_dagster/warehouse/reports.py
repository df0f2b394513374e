"""JSON of the package's reports."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import json
from typing import Any


class Report:
    """Base of the frozen dataclasses that commands and assets show."""

    def to_json(self) -> str:
        """The report as a JSON object, keys as the fields are named."""
        return json.dumps(self.to_dict(), default=_plain)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain dictionaries and lists."""
        if not dataclasses.is_dataclass(self):
            raise TypeError(f"{type(self).__name__} is not a dataclass")
        return dataclasses.asdict(self)


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no place in a report")
