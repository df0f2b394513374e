"""Errors with Snowflake's numbers, SQLSTATEs and wording, and the way from DuckDB's errors to them."""

from __future__ import annotations

import re
from typing import NoReturn

import duckdb


class SnowflakeError(Exception):
    """A statement that failed by the user's doing.

    Attributes:
        code: Snowflake's error number, shown with six digits.
        sqlstate: five characters.
    """

    def __init__(self, message: str, code: int, sqlstate: str) -> None:
        super().__init__(message)
        self.message, self.code, self.sqlstate = message, code, sqlstate


def syntax(message: str) -> SnowflakeError:
    return SnowflakeError(f"SQL compilation error:\n{message}", 1003, "42000")


def unsupported(what: str) -> SnowflakeError:
    """Refuse by name what would otherwise be wrong or half right."""
    return SnowflakeError(f"not supported by the embedded warehouse: {what}", 2, "0A000")


def missing(kind: str, name: object) -> SnowflakeError:
    sqlstate = "42S02" if kind in ("Object", "Table", "View") else "02000"
    return SnowflakeError(f"SQL compilation error:\n{kind} '{name}' does not exist or not authorized.", 2003, sqlstate)


def unusable() -> SnowflakeError:
    """USE of what is not there."""
    return SnowflakeError(
        "SQL compilation error:\nObject does not exist, or operation cannot be performed.", 2043, "02000"
    )


def exists(name: object) -> SnowflakeError:
    return SnowflakeError(f"SQL compilation error:\nObject '{name}' already exists.", 2002, "42710")


def invalid(message: str) -> SnowflakeError:
    """A property or argument with a value it cannot have."""
    return SnowflakeError(f"SQL compilation error:\n{message}", 1008, "22023")


def no_current(what: str) -> SnowflakeError:
    return SnowflakeError(
        f"Cannot perform operation. This session does not have a current {what}. "
        f"Call 'USE {what.upper()}', or use a qualified name.",
        90105 if what == "database" else 90106,
        "22000",
    )


def full(how: str) -> SnowflakeError:
    """Nothing can be written any more; `how` full the disk is."""
    return SnowflakeError(_DISK.format(how), 604, "53100")


def refuse(what: str) -> NoReturn:
    raise unsupported(what)


# (DuckDB's wording, Snowflake's wording, number, SQLSTATE); the first group of the pattern fills the {}
_DISK = "The disk of the embedded warehouse is full: {}; make room (DROP works) and repeat the statement"
_LOST = (
    "The embedded warehouse starts again, because DuckDB could not go on: {}; log in again and repeat the transaction"
)
_MEMORY = "The embedded warehouse ran out of memory: {}; raise --memory-limit or make the statement smaller"
_NUMBER = "Numeric value '{}' is not recognized"
_IDENTIFIER = "SQL compilation error: error line 1 at position 0\ninvalid identifier '{}'"
_PATTERNS: list[tuple[str, str, int, str]] = [
    (r"String '(.*)' is too long and", "String '{}' is too long and would be truncated", 100078, "22000"),
    (r"division by zero", "Division by zero", 100051, "22012"),
    (r"Duplicate row detected", "Duplicate row detected during DML action", 100090, "42P18"),
    (r"More than one row returned by a subquery", "Single-row subquery returns more than one row.", 90150, "21000"),
    (
        r"NOT NULL constraint failed: \S*?([^.\s]+)$",
        "NULL result in a non-nullable column: {}",
        100072,
        "22000",
    ),
    (r"Could not convert string ['\"](.*)['\"] to (?:U?INT|HUGEINT|DECIMAL|DOUBLE|FLOAT)", _NUMBER, 100038, "22018"),
    (r"timestamp field[^\"]*\"(.*)\"", "Timestamp '{}' is not recognized", 100035, "22007"),
    (r"date field[^\"]*\"(.*?)\"", "Date '{}' is not recognized", 100040, "22007"),
    (r"Could not parse string \"(.*)\" according", "Can't parse '{}' as timestamp with its format", 100096, "22007"),
    (r"Could not convert string '(.*)' to BOOL", "Boolean value '{}' is not recognized", 100037, "22018"),
    (r"Malformed JSON.*|Invalid JSON.*", "Error parsing JSON: {}", 100069, "22P02"),
    (r"FATAL Error|has been invalidated", _LOST, 604, "57P01"),
    (r"No space left on device|Could not write file|disk is full", _DISK, 604, "53100"),
    (r"Out of Memory|could not allocate|failed to (?:allocate|pin)", _MEMORY, 604, "53200"),
    (
        r"(?:[Oo]ut of [Rr]ange|[Oo]verflow|Casting value|could not be cast).*",
        "Number out of representable range: {}",
        100132,
        "22003",
    ),
    (
        r"Table with name (\S+) does not exist",
        "SQL compilation error:\nObject '{}' does not exist or not authorized.",
        2003,
        "42S02",
    ),
    (r"Referenced (?:column|table) \"(.*?)\" (?:was )?not found", _IDENTIFIER, 904, "42000"),
    (r"does not have a column named \"(.*?)\"", _IDENTIFIER, 904, "42000"),
    (
        r"Ambiguous reference to column name \"(.*?)\"",
        "SQL compilation error:\nambiguous column name '{}'",
        1065,
        "42601",
    ),
    (
        r"column \"?(\S+?)\"? must appear in the GROUP BY clause",
        "SQL compilation error:\n'{}' is not a valid group by expression",
        979,
        "42601",
    ),
    (
        r"(?:Scalar|Aggregate|Table) Function with name \"?(\S+?)\"? does not exist",
        "SQL compilation error:\nUnknown function {}",
        2140,
        "42601",
    ),
    (
        r"value mismatch for insert.*|values were supplied.*",
        "SQL compilation error:\nInsert value list does not match column list: {}",
        2020,
        "21S01",
    ),
]
# what of DuckDB's wordings names the value that has no room, and the type it was for
_RANGES = [
    re.compile(r'Casting value "(?P<value>.*?)" to type (?P<kind>DECIMAL\(\d+,\s?\d+\)|\w+) failed', re.DOTALL),
    re.compile(r"Overflow in (?:multiplication|addition|subtraction) of (?P<kind>\w+)(?:\(\d+\))? \((?P<value>.*?)\)"),
    re.compile(r"Type \w+ with value (?P<value>\S+) can't be cast .* destination type (?P<kind>\w+)"),
    re.compile(r"Could not cast value (?P<value>\S+) to (?P<kind>DECIMAL\(\d+,\s?\d+\))"),
    re.compile(r"Overflow in (?P<value>SUM) of (?P<kind>\w+)"),
]
_FAILURE = re.compile(r"Could not convert string ['\"]failure: (.*)['\"] to INT32", re.DOTALL)  # sf_fail of macros.sql
_COMPILED = [(re.compile(pattern, re.DOTALL), wording, code, state) for pattern, wording, code, state in _PATTERNS]


def from_duckdb(error: duckdb.Error) -> SnowflakeError:
    """The Snowflake error that says the same; unknown ones keep DuckDB's first line under number 603."""
    if isinstance(error, duckdb.InterruptException):
        return SnowflakeError("SQL execution canceled", 604, "57014")
    text = str(error).split("\n\nLINE ")[0]
    if failure := _FAILURE.search(text):
        text = failure.group(1)
    if found := next((match for pattern in _RANGES if (match := pattern.search(text))), None):
        kind = found["kind"].replace("DECIMAL", "NUMBER").replace(", ", ",")
        number = kind if "(" in kind else "NUMBER(38)" if kind in ("NUMBER", "INT64", "INT128", "HUGEINT") else kind
        return SnowflakeError(
            f"Number out of representable range: type {number}, value {found['value']}", 100132, "22003"
        )
    first = text.split("\n")[0]
    for expression, wording, code, sqlstate in _COMPILED:
        if found := expression.search(text):
            detail = next((group for group in found.groups() if group is not None), first)
            return SnowflakeError(wording.format(detail), code, sqlstate)
    if isinstance(error, duckdb.TransactionException):
        return SnowflakeError(f"Statement aborted by a conflicting transaction: {first}; repeat it", 625, "57014")
    if isinstance(error, duckdb.BinderException | duckdb.ParserException | duckdb.CatalogException):
        return SnowflakeError(f"SQL compilation error:\n{first}", 1003, "42000")
    return SnowflakeError(first, 603, "XX000")
