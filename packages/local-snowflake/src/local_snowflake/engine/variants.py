"""Whether two VARIANTs are equal: by their values, whatever the order of keys, the blanks and the digits of their text.

Source: docs.snowflake.com/en/sql-reference/data-types-semistructured (an OBJECT is not ordered), and the comparison of
VARIANTs of numbers by value.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import duckdb


def register(root: duckdb.DuckDBPyConnection) -> None:
    """Make `sf_same_json` known to every connection of a database."""
    root.create_function("sf_same_json", same_json, ["VARCHAR", "VARCHAR"], "BOOLEAN")


def same_json(one: str, other: str) -> bool:
    """Whether two JSON texts say the same.

    A text that Python's parser cannot read (nested a thousand levels deep) is the same as its own letters only.
    """
    if one == other:
        return True
    try:
        return _same(_parsed(one), _parsed(other))
    except (ValueError, RecursionError):
        return False


def _parsed(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):  # true is not 1, and "1" is not 1
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
