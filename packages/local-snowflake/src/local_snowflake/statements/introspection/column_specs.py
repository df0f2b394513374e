"""What a SHOW command gives: its columns and rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

ColumnSpecs = Sequence[str | tuple[str, str]]
"""Names of the columns, with DuckDB's type where it is not text."""

Rows = tuple[ColumnSpecs, list[Sequence[Any]]]
TIME = "TIMESTAMP WITH TIME ZONE"
OWNER = "ACCOUNTADMIN"
"""Every object's owner: grants are recorded, never enforced."""
