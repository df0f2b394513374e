"""The form of a contract file: SQL with what it must answer.

    SELECT 1 AS A, 'x' AS B;
    --# A | B            the names of the columns
    --= 1 | x            a row; several lines for several rows, in their order
    --= none             no row at all
    --! 000904           the number of the error
    --~ part of it       a part of the error's message

A statement without such lines must succeed. A line `-- source: ...` says where the documentation has it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Expectation:
    """One statement of a contract, and what is expected of it."""

    sql: str
    line: int
    columns: list[str] | None = None
    rows: list[str] | None = None
    error: str | None = None
    message: str | None = None
    notes: list[str] = field(default_factory=list)


def read(path: Path) -> list[Expectation]:
    """The statements of a file with their expectations."""
    found: list[Expectation] = []
    buffer: list[str] = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        mark, text = line[:3], line[3:].strip()
        if mark == "--=":
            last = found[-1]
            last.rows = (last.rows or []) + ([] if text == "none" else [text])
        elif mark == "--#":
            found[-1].columns = [name.strip() for name in text.split(" | ")]
        elif mark == "--!":
            found[-1].error = text
        elif mark == "--~":
            found[-1].message = text
        elif line.startswith("--") and not buffer:
            continue
        else:
            buffer.append(line)
            if line.rstrip().endswith(";"):
                sql = "\n".join(buffer).strip().rstrip(";")
                found.append(Expectation(sql, number))
                buffer = []
    assert not "".join(buffer).strip(), f"{path}: the last statement has no semicolon"
    return found


def shown(row: tuple[Any, ...]) -> str:
    """A row as a contract file writes it."""
    return " | ".join(_shown(value) for value in row)


def _shown(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex().upper()
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="milliseconds")
    return str(value)
