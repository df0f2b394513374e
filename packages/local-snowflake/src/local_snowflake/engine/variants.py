"""What SQL cannot say of VARIANTs, in Python: whether two are equal, and everything that is in one.

They are equal by their values, whatever the order of keys, the blanks and the digits of their text.

Source: docs.snowflake.com/en/sql-reference/data-types-semistructured (an OBJECT is not ordered), and the comparison of
VARIANTs of numbers by value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import duckdb


def register(root: duckdb.DuckDBPyConnection) -> None:
    """Make `sf_same_json` and `sf_everything_in` known to every connection of a database."""
    root.create_function("sf_same_json", same_json, ["VARCHAR", "VARCHAR"], "BOOLEAN")
    root.create_function("sf_everything_in", everything_in, ["VARCHAR", "VARCHAR"], "VARCHAR")


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


_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")


def everything_in(text: str, mode: str) -> str:
    """The elements of a JSON text at any depth, each before what is in it, as a JSON list.

    Args:
        mode: ARRAY or OBJECT, for the elements of those alone, or BOTH.
    """
    return json.dumps(list(_within(json.loads(text), mode, "")), ensure_ascii=False)


def _within(value: Any, mode: str, path: str) -> Iterator[dict[str, Any]]:
    steps: Iterable[tuple[str | None, int | None, Any]] = ()
    if isinstance(value, dict) and mode != "ARRAY":
        steps = ((key, None, value[key]) for key in sorted(value))
    elif isinstance(value, list) and mode != "OBJECT":
        steps = ((None, index, item) for index, item in enumerate(value))
    for key, index, item in steps:
        if key is None:
            inner = f"{path}[{index}]"
        elif _PLAIN_KEY.fullmatch(key):
            inner = f"{path}.{key}" if path else key
        else:
            inner = f"{path}['{key}']"
        yield {"key": key, "path": inner, "index": index, "value": item, "this": value}
        yield from _within(item, mode, inner)
