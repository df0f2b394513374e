"""Errors with Snowflake's numbers, SQLSTATEs and wording, and the way from DuckDB's errors to them."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import NoReturn

import duckdb


class Code(enum.IntEnum):
    """Snowflake's error numbers, as far as they are given here.

    Snowflake has numbers of its own for few of the ways in which a server of one process stops: a full disk, too little
    memory and a restart have CANCELED, too, with other SQLSTATEs.
    """

    UNSUPPORTED = 2
    STATEMENT_COUNT = 8
    UNKNOWN = 603
    CANCELED = 604
    NO_WAREHOUSE = 606
    DEADLOCK = 619
    CONFLICT = 625
    NO_RESULT = 705
    EMPTY_STATEMENT = 900
    INVALID_IDENTIFIER = 904
    TOO_FEW_ARGUMENTS = 938
    ARGUMENT_COUNT = 939
    NOT_GROUPED = 979
    SYNTAX = 1003
    INVALID_CAST = 1007
    INVALID_VALUE = 1008
    INVALID_TYPES = 1044
    AMBIGUOUS_COLUMN = 1065
    EXISTS = 2002
    MISSING = 2003
    VALUE_COUNT = 2020
    TYPE_MISMATCH = 2023
    VIEW_FAILED = 2037
    UNUSABLE = 2043
    NOT_BOUND = 2049
    UNKNOWN_FUNCTION = 2140
    NO_VARIABLE = 2211
    NO_PRIVILEGE = 3001
    ROLE_CYCLE = 3005
    PARTLY_GRANTED = 3011
    ROLE_NOT_GRANTED = 3013
    DEPENDENT_GRANT = 3036
    NOT_GRANTED = 3102
    TASK_SKIPPED = 40003
    TRANSACTION_LEFT_OPEN = 90087
    NO_CURRENT_DATABASE = 90105
    NO_CURRENT_SCHEMA = 90106
    SUBQUERY_ROWS = 90150
    TRANSACTION_ABORTED = 90232
    TRANSACTION_ROLLED_BACK = 90233
    TASK_NOT_STARTABLE = 91085
    TASK_CYCLE = 91090
    GRAPH_NOT_SUSPENDED = 91093
    NOT_A_ROOT_TASK = 91096
    NOTHING_TO_RETRY = 91097
    STREAM_STALE = 91901
    FILE_NOT_FOUND = 100016
    NOT_A_TIMESTAMP = 100035
    NOT_A_BOOLEAN = 100037
    NOT_A_NUMBER = 100038
    NOT_A_DATE = 100040
    NOT_A_FLOAT = 100044
    NOT_A_PATTERN = 100048
    DIVISION_BY_ZERO = 100051
    NOT_JSON = 100069
    NOT_THE_VARIANT = 100071
    NULL_VALUE = 100072
    TOO_LONG = 100078
    DUPLICATE_ROW = 100090
    NOT_OF_THE_FORMAT = 100096
    NOT_A_TIME = 100108
    NOT_HEX = 100115
    OUT_OF_RANGE = 100132
    NOT_UTF8 = 100144
    NOT_PARQUET = 100152
    INTERNAL = 390000
    WRONG_PASSWORD = 390100
    BAD_REQUEST = 390102
    NOT_LOGGED_IN = 390104
    NO_TEXT = 390142
    WRONG_AUTHENTICATOR = 390144
    LOGIN_ROLE = 390189
    DEFAULT_ROLE = 390191

    @property
    def digits(self) -> str:
        """As the protocol and TASK_HISTORY write it: six digits."""
        return f"{self:06d}"


class SnowflakeError(Exception):
    """A statement that failed by the user's doing.

    Attributes:
        code: shown with six digits.
        sqlstate: five characters.
    """

    def __init__(self, message: str, code: Code, sqlstate: str) -> None:
        super().__init__(message)
        self.message, self.code, self.sqlstate = message, code, sqlstate


def syntax(message: str) -> SnowflakeError:
    return SnowflakeError(f"SQL compilation error:\n{message}", Code.SYNTAX, "42000")


def unsupported(what: str) -> SnowflakeError:
    """Refuse by name what would otherwise be wrong or half right."""
    return SnowflakeError(f"{_UNSUPPORTED}{what}", Code.UNSUPPORTED, "0A000")


def missing(kind: str, name: object) -> SnowflakeError:
    sqlstate = "42S02" if kind in ("Object", "Table", "View") else "02000"
    return SnowflakeError(
        f"SQL compilation error:\n{kind} '{name}' does not exist or not authorized.", Code.MISSING, sqlstate
    )


def unusable() -> SnowflakeError:
    """USE of what is not there."""
    return SnowflakeError(
        "SQL compilation error:\nObject does not exist, or operation cannot be performed.", Code.UNUSABLE, "02000"
    )


def insufficient(kind: str, name: str) -> SnowflakeError:
    """An object that the roles of the session know of, but may not do this with."""
    return SnowflakeError(
        f"SQL access control error:\nInsufficient privileges to operate on {kind.lower()} '{name}'.",
        Code.NO_PRIVILEGE,
        "42501",
    )


def not_granted(role: str) -> SnowflakeError:
    """USE of a role that the user was not granted."""
    return SnowflakeError(
        f"SQL access control error:\nRequested role '{role}' is not assigned to the executing user. "
        "Specify another role to activate.",
        Code.ROLE_NOT_GRANTED,
        "42501",
    )


def view_failed(view: str, error: SnowflakeError) -> SnowflakeError:
    """A view whose owner may not read what it is made of."""
    return SnowflakeError(
        f"SQL compilation error:\nFailure during expansion of view '{view}': {error.message}", Code.VIEW_FAILED, "42601"
    )


def statement_count(actual: int, desired: int) -> SnowflakeError:
    """A request with another number of statements than it says (MULTI_STATEMENT_COUNT)."""
    return SnowflakeError(
        f"Actual statement count {actual} did not match the desired statement count {desired}.",
        Code.STATEMENT_COUNT,
        "0A000",
    )


def exists(name: object) -> SnowflakeError:
    return SnowflakeError(f"SQL compilation error:\nObject '{name}' already exists.", Code.EXISTS, "42710")


def invalid(message: str) -> SnowflakeError:
    """A property or argument with a value it cannot have."""
    return SnowflakeError(f"SQL compilation error:\n{message}", Code.INVALID_VALUE, "22023")


def no_current(what: str) -> SnowflakeError:
    return SnowflakeError(
        f"Cannot perform operation. This session does not have a current {what}. "
        f"Call 'USE {what.upper()}', or use a qualified name.",
        Code.NO_CURRENT_DATABASE if what == "database" else Code.NO_CURRENT_SCHEMA,
        "22000",
    )


def no_warehouse() -> SnowflakeError:
    return SnowflakeError(
        "No active warehouse selected in the current session.  Select an active warehouse with the 'use warehouse' "
        "command.",
        Code.NO_WAREHOUSE,
        "57P03",
    )


def invalid_identifier(name: str) -> SnowflakeError:
    """A column that is not there."""
    return SnowflakeError(_IDENTIFIER_HERE.format(name), Code.INVALID_IDENTIFIER, "42000")


def value_count(expected: int, given: int) -> SnowflakeError:
    """An INSERT with another number of values than of columns."""
    return SnowflakeError(f"{_VALUE_COUNT} expecting {expected} but got {given}", Code.VALUE_COUNT, "21S01")


def argument_count(function: str, expected: str, given: int) -> SnowflakeError:
    return SnowflakeError(
        f"SQL compilation error:\nfunction {function} takes {expected} arguments, got {given}",
        Code.ARGUMENT_COUNT,
        "22023",
    )


def invalid_types(function: str, types: Sequence[str]) -> SnowflakeError:
    """A function or operator with arguments of types that it does not take."""
    return SnowflakeError(
        f"SQL compilation error: error line 1 at position 0\nInvalid argument types for function '{function}': "
        f"({', '.join(types)})",
        Code.INVALID_TYPES,
        "42P13",
    )


def invalid_cast(given: str, target: str) -> SnowflakeError:
    """An explicit cast between types that are not cast to one another."""
    return SnowflakeError(
        f"SQL compilation error:\ninvalid type [{given}] for parameter 'TO_{target}'", Code.INVALID_CAST, "22023"
    )


def type_mismatch(expected: str, given: str, column: str) -> SnowflakeError:
    """A value whose type has no implicit conversion to that of its column."""
    return SnowflakeError(
        f"SQL compilation error:\nExpression type does not match column data type, expecting {expected} "
        f"but got {given} for column {column}",
        Code.TYPE_MISMATCH,
        "22000",
    )


def graph_not_suspended(root: object) -> SnowflakeError:
    """A change of a task graph that is scheduled."""
    return SnowflakeError(
        f"Unable to update graph with root task {root} since that root task is not suspended.",
        Code.GRAPH_NOT_SUSPENDED,
        "55000",
    )


def full(how: str) -> SnowflakeError:
    """Nothing can be written any more; `how` full the disk is."""
    return SnowflakeError(_DISK.format(how), Code.CANCELED, "53100")


def refuse(what: str) -> NoReturn:
    raise unsupported(what)


# (DuckDB's wording, Snowflake's wording, number, SQLSTATE); the first group of the pattern fills the {}
_DISK = "The disk of the local warehouse is full: {}; make room (DROP works) and repeat the statement"
_LOST = "The local warehouse starts again, because DuckDB could not go on: {}; log in again and repeat the transaction"
_MEMORY = "The local warehouse ran out of memory: {}; raise --memory-limit or make the statement smaller"
_UNSUPPORTED = "not supported by the local warehouse: "
_NUMBER = "Numeric value '{}' is not recognized"
_IDENTIFIER_HERE = "SQL compilation error:\ninvalid identifier '{}'"
_VALUE_COUNT = "SQL compilation error:\nInsert value list does not match column list"
_IDENTIFIER = "SQL compilation error: error line 1 at position 0\ninvalid identifier '{}'"
_PATTERNS: list[tuple[str, str, Code, str]] = [
    (r"String '(.*)' is too long and", "String '{}' is too long and would be truncated", Code.TOO_LONG, "22000"),
    (r"division by zero", "Division by zero", Code.DIVISION_BY_ZERO, "22012"),
    (r"Duplicate row detected", "Duplicate row detected during DML action", Code.DUPLICATE_ROW, "42P18"),
    (
        r"More than one row returned by a subquery",
        "Single-row subquery returns more than one row.",
        Code.SUBQUERY_ROWS,
        "21000",
    ),
    (
        r"NOT NULL constraint failed: \S*?([^.\s]+)$",
        "NULL result in a non-nullable column: {}",
        Code.NULL_VALUE,
        "22000",
    ),
    (
        r"Could not convert string ['\"](.*)['\"] to (?:U?INT|HUGEINT|DECIMAL|DOUBLE|FLOAT)",
        _NUMBER,
        Code.NOT_A_NUMBER,
        "22018",
    ),
    (r"not supported by the local warehouse: (.*)", f"{_UNSUPPORTED}{{}}", Code.UNSUPPORTED, "0A000"),
    (r"time field value[^\"]*\"(.*?)\"", "Time '{}' is not recognized", Code.NOT_A_TIME, "22007"),
    (r"timestamp field[^\"]*\"(.*)\"", "Timestamp '{}' is not recognized", Code.NOT_A_TIMESTAMP, "22007"),
    (r"date field[^\"]*\"(.*?)\"", "Date '{}' is not recognized", Code.NOT_A_DATE, "22007"),
    (
        r"Could not parse string \"(.*)\" according",
        "Can't parse '{}' as timestamp with its format",
        Code.NOT_OF_THE_FORMAT,
        "22007",
    ),
    (r"Could not convert string '(.*)' to BOOL", "Boolean value '{}' is not recognized", Code.NOT_A_BOOLEAN, "22018"),
    (
        r"Invalid Input Error: ((?:invalid perl operator|missing (?:closing )?[\])]|no argument for repetition|"
        r"invalid escape sequence|unexpected \)|bad repetition|invalid character class|invalid repetition|"
        r"trailing \\).*)",
        "Invalid regular expression: {}",
        Code.NOT_A_PATTERN,
        "2201B",
    ),
    (
        r"Invalid input for hex digit: (.*)",
        "The following string is not a legal hex-encoded value: '{}'",
        Code.NOT_HEX,
        "22000",
    ),
    (r"blob to UTF8 string|invalid UTF8", "Invalid UTF8 detected in a binary", Code.NOT_UTF8, "22000"),
    (
        r"Failed to cast variant value (.*) to OBJECT",
        "Failed to cast variant value {} to OBJECT",
        Code.NOT_THE_VARIANT,
        "22000",
    ),
    (r"(Invalid floating point operation: .*)", "{}", Code.NOT_A_FLOAT, "22P01"),
    (r"Malformed JSON.*|Invalid JSON.*", "Error parsing JSON: {}", Code.NOT_JSON, "22P02"),
    (r"FATAL Error|has been invalidated", _LOST, Code.CANCELED, "57P01"),
    (r"No space left on device|Could not write file|disk is full", _DISK, Code.CANCELED, "53100"),
    (r"Out of Memory|could not allocate|failed to (?:allocate|pin)", _MEMORY, Code.CANCELED, "53200"),
    (
        r"(?:[Oo]ut of [Rr]ange|[Oo]verflow|Casting value|could not be cast).*",
        "Number out of representable range: {}",
        Code.OUT_OF_RANGE,
        "22003",
    ),
    (
        r"Table with name (\S+) does not exist",
        "SQL compilation error:\nObject '{}' does not exist or not authorized.",
        Code.MISSING,
        "42S02",
    ),
    (r"Referenced (?:column|table) \"(.*?)\" (?:was )?not found", _IDENTIFIER, Code.INVALID_IDENTIFIER, "42000"),
    (r"does not have a column named \"(.*?)\"", _IDENTIFIER, Code.INVALID_IDENTIFIER, "42000"),
    (
        r"Ambiguous reference to column name \"(.*?)\"",
        "SQL compilation error:\nambiguous column name '{}'",
        Code.AMBIGUOUS_COLUMN,
        "42601",
    ),
    (
        r"column \"?(\S+?)\"? must appear in the GROUP BY clause",
        "SQL compilation error:\n'{}' is not a valid group by expression",
        Code.NOT_GROUPED,
        "42601",
    ),
    (
        r"(?:Scalar|Aggregate|Table) Function with name \"?(\S+?)\"? does not exist",
        "SQL compilation error:\nUnknown function {}",
        Code.UNKNOWN_FUNCTION,
        "42601",
    ),
    (
        r"value mismatch for insert.*|values were supplied.*",
        f"{_VALUE_COUNT}: {{}}",
        Code.VALUE_COUNT,
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


_NO_FUNCTION = re.compile(
    r"""argument types '(?P<name>\w+|\W{1,2})\((?P<types>.*?)\)'|"""
    r"""function call "(?P<call>\w+|\W{1,2})\((?P<given>.*?)\)\""""
)
_ZONED = "STRUCT(t TIMESTAMP, o SMALLINT)"
"""How DuckDB has a TIMESTAMP_TZ."""
_NOT_COMPARED = re.compile(r"Cannot (?:compare|mix|combine) (?:values of type|types of) (\S+) and (?:type )?(\S+)")
_NO_CAST = re.compile(r"Unimplemented type for cast \((.+?) -> (.+?)\)")
_PREFIX = re.compile(r"^(?:\w+ )*Error: ")
_DUCKDB_TYPES = {
    "INTEGER": "NUMBER", "BIGINT": "NUMBER", "HUGEINT": "NUMBER", "INTEGER_LITERAL": "NUMBER", "DOUBLE": "FLOAT",
    "STRING_LITERAL": "VARCHAR", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_LTZ", "TIMESTAMP": "TIMESTAMP_NTZ",
    "TIMESTAMP_MS": "TIMESTAMP_NTZ", "TIMESTAMP_S": "TIMESTAMP_NTZ", "JSON": "VARIANT", "BLOB": "BINARY",
}  # fmt: skip


def _type_named(kind: str) -> str:
    return _DUCKDB_TYPES.get(kind, kind.replace("DECIMAL", "NUMBER"))


def _of_types(text: str) -> SnowflakeError | None:
    """The error of a function, comparison or cast that does not take its operands' types."""
    if found := _NO_FUNCTION.search(text):
        name = (found["name"] or found["call"]).upper().removeprefix("SF_")
        listed = found["types"] or found["given"] or ""
        return invalid_types(name, [_type_named(kind) for kind in re.split(r", (?![^(]*\))", listed)])
    if found := _NOT_COMPARED.search(text):
        return invalid_types("=", [_type_named(found[1]), _type_named(found[2])])
    if found := _NO_CAST.search(text):
        return invalid_cast(_type_named(found[1]), _type_named(found[2]))
    return None


def from_duckdb(error: Exception) -> SnowflakeError:
    """The Snowflake error that says the same as one of DuckDB, or of Arrow while it reads DuckDB's rows.

    What has no such error was asked in a way that DuckDB has no answer for: it is refused as not supported.
    """
    if isinstance(error, duckdb.InterruptException):
        return SnowflakeError("SQL execution canceled", Code.CANCELED, "57014")
    text = str(error).split("\n\nLINE ")[0].replace(_ZONED, "TIMESTAMP_TZ")
    if failure := _FAILURE.search(text):
        text = failure.group(1)
    if found := next((match for pattern in _RANGES if (match := pattern.search(text))), None):
        kind = found["kind"].replace("DECIMAL", "NUMBER").replace(", ", ",")
        number = kind if "(" in kind else "NUMBER(38)" if kind in ("NUMBER", "INT64", "INT128", "HUGEINT") else kind
        return SnowflakeError(
            f"Number out of representable range: type {number}, value {found['value']}", Code.OUT_OF_RANGE, "22003"
        )
    if not isinstance(error, duckdb.Error) and re.match(r"INTERRUPT Error|Interrupted", text):
        return SnowflakeError("SQL execution canceled", Code.CANCELED, "57014")
    first = text.split("\n")[0]
    for expression, wording, code, sqlstate in _COMPILED:
        if found := expression.search(text):
            detail = next((group for group in found.groups() if group is not None), first)
            return SnowflakeError(wording.format(_PREFIX.sub("", detail)), code, sqlstate)
    if isinstance(error, duckdb.TransactionException):
        return SnowflakeError(
            f"Statement aborted by a conflicting transaction: {first}; repeat it", Code.CONFLICT, "57014"
        )
    if isinstance(error, duckdb.InternalException | duckdb.IOException):
        return SnowflakeError(first, Code.UNKNOWN, "XX000")
    return _of_types(text) or unsupported(f"this statement: {_PREFIX.sub('', first)}")
