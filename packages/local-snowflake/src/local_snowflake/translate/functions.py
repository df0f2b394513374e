"""Which functions exist, and how those that DuckDB lacks or answers differently are written.

Templates are DuckDB SQL with `{0}`, `{1}` for the arguments; a key of the inner dict is their number. The macros they
call are in macros.sql. Casts that depend on the operand's type are left to rules.py.
Source: docs.snowflake.com/en/sql-reference/functions-all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from local_snowflake.engine.slots import STATEMENT_TIMESTAMP
from local_snowflake.errors import Code, SnowflakeError, argument_count, invalid, refuse
from local_snowflake.translate.conversions import (
    Builder,
    binary,
    cast,
    convert_timezone,
    number,
    time_of,
    timestamp_tz,
    varchar,
)
from local_snowflake.translate.templates import (
    ENCODED,
    KEEPS_BINARY,
    Arguments,
    cast_to,
    fill,
)


def _as_text(operand: exp.Expr, *, encoded: bool) -> exp.Expr:
    """An argument of a function of text, by Snowflake's implicit cast: MD5(1) is MD5('1')."""
    if isinstance(operand, exp.Literal) and operand.is_string and not encoded:
        return operand
    node = cast_to(operand, "VARCHAR")
    node.meta[KEEPS_BINARY] = ENCODED if encoded else True
    return node


def _try_parse_json(arguments: Arguments) -> exp.Expr:
    """TRY parses once, where asking json_valid before parses twice; but it hides what fails in its operand too."""
    operand = arguments[0]
    column = operand.this if isinstance(operand, exp.Cast) and operand.to.this in exp.DataType.TEXT_TYPES else operand
    cannot_fail = isinstance(column, exp.Column)
    return fill("sf_try_parse_json_column({0})" if cannot_fail else "sf_try_parse_json({0})", [operand])


def _object(keep_null: bool) -> Builder:
    """OBJECT_CONSTRUCT(k, v, ...): a pair whose value is NULL is left out, or kept by OBJECT_CONSTRUCT_KEEP_NULL."""

    def build(arguments: Arguments) -> exp.Expr:
        if len(arguments) == 1 and arguments[0].is_star:
            refuse("OBJECT_CONSTRUCT(*); name the columns")
        if len(arguments) % 2:
            raise invalid("OBJECT_CONSTRUCT needs keys and values in pairs")
        keys = ", ".join(f"{{{index}}}" for index in range(0, len(arguments), 2))
        values = ", ".join(f"{{{index}}}" for index in range(1, len(arguments), 2))
        arguments = [cast_to(each, "JSON") if index % 2 else each for index, each in enumerate(arguments)]
        macro = "sf_object_all" if keep_null else "sf_object_compact"
        if not arguments:
            return fill("CAST('{{}}' AS JSON)", [])
        return fill(f"{macro}([{keys}], [{values}])", arguments)

    return build


def _array(arguments: Arguments) -> exp.Expr:
    return exp.Anonymous(this="json_array", expressions=[cast_to(each, "JSON") for each in arguments])


def _decode(arguments: Arguments) -> exp.Expr:
    """DECODE(x, search, result, ... [, default]); NULL matches NULL."""
    if len(arguments) < 3:
        raise argument_count("DECODE", "3 or more", len(arguments))
    operand, *rest = arguments
    case = exp.Case()
    while len(rest) >= 2:
        search, result, *rest = rest
        case.append("ifs", exp.If(this=exp.NullSafeEQ(this=operand.copy(), expression=search), true=result))
    if rest:
        case.set("default", rest[0])
    return case


def _get(arguments: Arguments) -> exp.Expr:
    """GET(variant, key or index)."""
    if len(arguments) != 2:
        raise argument_count("GET", "2", len(arguments))
    value, key = arguments
    if isinstance(key, exp.Literal):
        return path(value, [str(key.this) if key.is_string else int(key.this)])
    return fill("sf_get({0}, {1})", arguments)


def path(value: exp.Expr, steps: Sequence[str | int]) -> exp.Expr:
    """`value:a.b[0]`: an element of a VARIANT, which stays a VARIANT. Before an array's first element there is NULL."""
    done = 0
    for at, step in enumerate(steps):
        if not _PLAIN_STEP.fullmatch(str(step)):
            value = path(value, steps[done:at])
            done = at + 1
            key = exp.Literal.string(step) if isinstance(step, str) else exp.Literal.number(step)
            value = fill("sf_get_key({0}, {1})" if isinstance(step, str) else "sf_get({0}, {1})", [value, key])
    if done == len(steps):
        return value
    text = "$" + "".join(f"[{step}]" if isinstance(step, int) else f'."{step}"' for step in steps[done:])
    return exp.Anonymous(this="json_extract", expressions=[value, exp.Literal.string(text)])


_PLAIN_STEP = re.compile(r"[^\"*\\-][^\"*\\]*")
"""Keys that DuckDB's paths can name in quotes, and indexes that are not negative."""


_as_number = "CAST(sf_as({0}, ['INTEGER', 'DECIMAL']) AS DECIMAL(38,12))"


def _as_decimal(arguments: Arguments) -> exp.Expr:
    """AS_NUMBER(variant [, precision [, scale]])."""
    if len(arguments) > 3:
        raise argument_count("AS_NUMBER", "1, 2 or 3", len(arguments))
    value = fill("sf_as({0}, ['INTEGER', 'DECIMAL'])", arguments[:1])
    return number("AS_NUMBER", safe=False)([value, *arguments[1:]])


def _pattern(name: str, arguments: Arguments, at: int) -> tuple[exp.Expr, str]:
    """The pattern of a function of regular expressions with its parameters in it, and these.

    Args:
        at: the position of the parameters among the arguments.
    """
    pattern = arguments[1]
    if len(arguments) <= at:
        return pattern, ""
    given = arguments[at]
    if not (isinstance(given, exp.Literal) and given.is_string and set(given.name) <= set("cimse")):
        refuse(f"parameters of {name} that are not a constant of the letters c, i, m, s and e")
    letters = given.name.replace("c", "") if given.name.rfind("c") > given.name.rfind("i") else given.name
    letters = "".join(letter for letter in "ims" if letter in letters.replace("c", ""))
    if "c" in given.name and given.name.rfind("c") > given.name.rfind("i"):
        letters = letters.replace("i", "")
    return (fill(f"('(?{letters})' || {{0}})", [pattern]) if letters else pattern), given.name


def _rest(name: str, arguments: Arguments, defaults: Sequence[str], most: int) -> list[exp.Expr]:
    """The arguments from the third on that are numbers, with defaults for those that are not given."""
    if not 2 <= len(arguments) <= most:
        raise argument_count(name, f"2 to {most}", len(arguments))
    return [
        arguments[index] if index < len(arguments) else exp.Literal.number(default)
        for index, default in enumerate(defaults, 2)
    ]


def _regexp_substr(arguments: Arguments) -> exp.Expr:
    """REGEXP_SUBSTR(text, pattern [, position [, occurrence [, parameters [, group]]]])."""
    at, occurrence = _rest("REGEXP_SUBSTR", arguments, ("1", "1"), 6)
    pattern, letters = _pattern("REGEXP_SUBSTR", arguments, 4)
    group = arguments[5] if len(arguments) > 5 else exp.Literal.number("0")
    if "e" in letters and len(arguments) < 6:  # the first group, if the pattern has one
        if not (isinstance(arguments[1], exp.Literal) and arguments[1].is_string):
            refuse("REGEXP_SUBSTR with the parameter 'e' and a pattern that is not a constant; name the group")
        group = exp.Literal.number(min(re.compile(arguments[1].name).groups, 1))
    return fill("sf_match({0}, {1}, {2}, {3}, {4})", [arguments[0], pattern, at, occurrence, group])


def _regexp_replace(arguments: Arguments) -> exp.Expr:
    """REGEXP_REPLACE(text, pattern [, replacement [, position [, occurrence [, parameters]]]])."""
    if len(arguments) == 2:
        arguments = [*arguments, exp.Literal.string("")]
    at, occurrence = _rest("REGEXP_REPLACE", [*arguments[:2], *arguments[3:]], ("1", "0"), 5)
    pattern, _ = _pattern("REGEXP_REPLACE", arguments, 5)
    return fill("sf_regexp_replace({0}, {1}, {2}, {3}, {4})", [arguments[0], pattern, arguments[2], at, occurrence])


def _regexp_count(arguments: Arguments) -> exp.Expr:
    """REGEXP_COUNT(text, pattern [, position [, parameters]])."""
    (at,) = _rest("REGEXP_COUNT", arguments, ("1",), 4)
    pattern, _ = _pattern("REGEXP_COUNT", arguments, 3)
    return fill("sf_regexp_count({0}, {1}, {2})", [arguments[0], pattern, at])


def _regexp_instr(arguments: Arguments) -> exp.Expr:
    """REGEXP_INSTR(text, pattern [, position [, occurrence [, option [, parameters]]]])."""
    at, occurrence, option = _rest("REGEXP_INSTR", arguments, ("1", "1", "0"), 7)
    pattern, letters = _pattern("REGEXP_INSTR", arguments, 5)
    if "e" in letters or len(arguments) > 6:
        refuse("REGEXP_INSTR of a group")
    return fill("sf_regexp_instr({0}, {1}, {2}, {3}, {4})", [arguments[0], pattern, at, occurrence, option])


def _truncated(arguments: Arguments) -> exp.Expr:
    """TRUNC(number [, digits]) and TRUNC(date, 'unit')."""
    if len(arguments) == 2 and isinstance(arguments[1], exp.Literal) and arguments[1].is_string:
        unit = str(arguments[1].this).upper()
        if unit not in _TRUNC_UNITS:
            raise invalid(f"'{unit}' is not a valid date/time component of TRUNC")
        return fill(f"date_trunc('{unit}', {{0}})", arguments[:1])
    if len(arguments) > 2:
        raise argument_count("TRUNC", "1 or 2", len(arguments))
    digits = ", sf_numeric({1}, 'TRUNC')" if len(arguments) == 2 else ""
    return fill(f"sf_unsigned_zero(trunc(sf_numeric({{0}}, 'TRUNC'){digits}))", arguments)


_TRUNC_UNITS = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"}


def _date_part(function: str) -> str:
    return f"CAST({function}(sf_wall({{0}})) AS BIGINT)"


def _as(kinds: str, cast: str | None = None) -> str:
    text = f"sf_as({{0}}, [{kinds}])"
    return f"CAST({text} AS {cast})" if cast else text


_OF_TEXT = {
    "INITCAP", "SPLIT_PART", "SPLIT", "MD5", "MD5_HEX", "SHA1", "SHA1_HEX", "SHA2", "SHA2_HEX", "RTRIM", "LTRIM",
    "TRIM", "STRTOK", "BIT_LENGTH", "HEX_ENCODE", "BASE64_ENCODE", "REGEXP_SUBSTR", "REGEXP_REPLACE", "REGEXP_COUNT",
    "REGEXP_INSTR",
}  # fmt: skip
"""Functions of OWN whose first argument is made text."""
_OF_TWO_TEXTS = {"SPLIT", "SPLIT_PART", "STRTOK", "REGEXP_SUBSTR", "REGEXP_REPLACE", "REGEXP_COUNT", "REGEXP_INSTR"}
"""Those of them whose second argument is, too."""

_AS_VARIANT = {
    "TO_ARRAY": (0,), "TO_OBJECT": (0,), "ARRAY_CONTAINS": (0, 1), "ARRAY_APPEND": (0, 1), "ARRAY_PREPEND": (0, 1),
    "OBJECT_AGG": (1,), "ARRAY_POSITION": (0, 1), "ARRAY_CAT": (0, 1), "ARRAY_TO_STRING": (0,), "ARRAY_DISTINCT": (0,),
    "ARRAY_COMPACT": (0,), "ARRAY_SLICE": (0,), "ARRAY_EXCEPT": (0, 1), "ARRAY_INTERSECTION": (0, 1),
}  # fmt: skip
"""Functions of OWN with arguments that are made VARIANTs, by their positions."""

# name -> template, template by number of arguments, or builder
OWN: dict[str, str | dict[int, str] | Builder] = {
    # conversions
    "TO_NUMBER": number("TO_NUMBER", safe=False),
    "TO_DECIMAL": number("TO_DECIMAL", safe=False),
    "TO_NUMERIC": number("TO_NUMERIC", safe=False),
    "TRY_TO_NUMBER": number("TRY_TO_NUMBER", safe=True),
    "TRY_TO_DECIMAL": number("TRY_TO_DECIMAL", safe=True),
    "TRY_TO_NUMERIC": number("TRY_TO_NUMERIC", safe=True),
    "TO_DOUBLE": cast("DOUBLE"),
    "TRY_TO_DOUBLE": cast("DOUBLE", safe=True),
    "TO_BOOLEAN": cast("BOOLEAN"),
    "TRY_TO_BOOLEAN": cast("BOOLEAN", safe=True),
    "TO_DATE": time_of("TO_DATE", "DATE", safe=False),
    "DATE": time_of("DATE", "DATE", safe=False),
    "TRY_TO_DATE": time_of("TRY_TO_DATE", "DATE", safe=True),
    "TO_TIME": cast("TIME"),
    "TRY_TO_TIME": cast("TIME", safe=True),
    "TO_TIMESTAMP": time_of("TO_TIMESTAMP", "TIMESTAMP", safe=False),
    "TO_TIMESTAMP_NTZ": time_of("TO_TIMESTAMP_NTZ", "TIMESTAMP", safe=False),
    "TRY_TO_TIMESTAMP": time_of("TRY_TO_TIMESTAMP", "TIMESTAMP", safe=True),
    "TRY_TO_TIMESTAMP_NTZ": time_of("TRY_TO_TIMESTAMP_NTZ", "TIMESTAMP", safe=True),
    "TO_TIMESTAMP_LTZ": time_of("TO_TIMESTAMP_LTZ", "TIMESTAMPTZ", safe=False),
    "TO_TIMESTAMP_TZ": timestamp_tz(safe=False),
    "TRY_TO_TIMESTAMP_LTZ": time_of("TRY_TO_TIMESTAMP_LTZ", "TIMESTAMPTZ", safe=True),
    "TRY_TO_TIMESTAMP_TZ": timestamp_tz(safe=True),
    "TO_VARCHAR": varchar,
    "TO_CHAR": varchar,
    "TO_BINARY": binary(safe=False),
    "TRY_TO_BINARY": binary(safe=True),
    "HEX_ENCODE": {1: "hex({0})"},
    "HEX_DECODE_BINARY": {1: "from_hex({0})"},
    "HEX_DECODE_STRING": {1: "decode(from_hex({0}))"},
    "TRY_HEX_DECODE_BINARY": {1: "TRY(from_hex({0}))"},
    "TRY_HEX_DECODE_STRING": {1: "TRY(decode(from_hex({0})))"},
    "BASE64_ENCODE": {1: "to_base64({0})"},
    "BASE64_DECODE_BINARY": {1: "from_base64({0})"},
    "BASE64_DECODE_STRING": {1: "decode(from_base64({0}))"},
    "TRY_BASE64_DECODE_BINARY": {1: "TRY(from_base64({0}))"},
    "TRY_BASE64_DECODE_STRING": {1: "TRY(decode(from_base64({0})))"},
    # semi-structured data
    "PARSE_JSON": {1: "sf_parse_json({0})"},
    "TRY_PARSE_JSON": _try_parse_json,
    "CHECK_JSON": {1: "CASE WHEN NOT json_valid({0}) THEN 'invalid JSON' END"},
    "TO_JSON": {1: "CAST({0} AS VARCHAR)"},
    "TO_VARIANT": cast("JSON"),
    "TO_OBJECT": {1: "sf_to_object({0})"},
    "TO_ARRAY": {1: "CASE WHEN json_type({0}) = 'ARRAY' THEN {0} "
                    "WHEN {0} IS NOT NULL THEN json_array({0}) END"},
    "TYPEOF": {1: "sf_typeof({0})"},
    "IS_NULL_VALUE": {1: "json_type({0}) = 'NULL'"},
    "IS_ARRAY": {1: "sf_typeof({0}) = 'ARRAY'"},
    "IS_OBJECT": {1: "sf_typeof({0}) = 'OBJECT'"},
    "IS_VARCHAR": {1: "sf_typeof({0}) = 'VARCHAR'"},
    "IS_CHAR": {1: "sf_typeof({0}) = 'VARCHAR'"},
    "IS_BOOLEAN": {1: "sf_typeof({0}) = 'BOOLEAN'"},
    "IS_INTEGER": {1: "sf_typeof({0}) = 'INTEGER'"},
    "IS_DECIMAL": {1: "sf_typeof({0}) IN ('INTEGER', 'DECIMAL')"},
    "IS_DOUBLE": {1: "sf_typeof({0}) IN ('INTEGER', 'DECIMAL')"},
    "AS_VARCHAR": {1: _as("'VARCHAR'")},
    "AS_CHAR": {1: _as("'VARCHAR'")},
    "AS_INTEGER": {1: f"CAST(round({_as_number}) AS BIGINT)"},
    "AS_NUMBER": _as_decimal,
    "AS_DECIMAL": _as_decimal,
    "AS_REAL": {1: _as("'INTEGER', 'DECIMAL'", "DOUBLE")},
    "AS_BOOLEAN": {1: _as("'BOOLEAN'", "BOOLEAN")},
    "AS_DOUBLE": {1: _as("'INTEGER', 'DECIMAL'", "DOUBLE")},
    "AS_ARRAY": {1: "CASE WHEN sf_typeof({0}) = 'ARRAY' THEN {0} END"},
    "AS_OBJECT": {1: "CASE WHEN sf_typeof({0}) = 'OBJECT' THEN {0} END"},
    "ARRAY_SIZE": {1: "sf_array_size({0})"},
    "ARRAY_CONSTRUCT": _array,
    "ARRAY_CONTAINS": {2: "sf_array_contains({0}, {1})"},
    "ARRAY_TO_STRING": {2: "sf_array_to_string({0}, {1})"},
    "ARRAY_CAT": {2: "sf_array_cat({0}, {1})"},
    "ARRAY_APPEND": {2: "sf_array_append({0}, {1})"},
    "ARRAY_PREPEND": {2: "sf_array_prepend({0}, {1})"},
    "ARRAY_DISTINCT": {1: "sf_array_distinct({0})"},
    "ARRAY_COMPACT": {1: "sf_array_compact({0})"},
    "ARRAY_POSITION": {2: "sf_array_position({0}, {1})"},
    "ARRAY_SLICE": {3: "sf_array_slice({0}, sf_numeric({1}, 'ARRAY_SLICE'), sf_numeric({2}, 'ARRAY_SLICE'))"},
    "ARRAY_EXCEPT": {2: "sf_array_except({0}, {1})"},
    "ARRAY_INTERSECTION": {2: "sf_array_intersection({0}, {1})"},
    "SPLIT": {2: "sf_split({0}, {1})"},
    "OBJECT_CONSTRUCT": _object(keep_null=False),
    "OBJECT_CONSTRUCT_KEEP_NULL": _object(keep_null=True),
    "OBJECT_KEYS": {1: "to_json(json_keys({0}))"},
    "OBJECT_AGG": {2: "sf_object_compact(list({0}), list({1}))"},
    "GET": _get,
    # numbers
    "COUNT_IF": {1: "count(CASE WHEN {0} THEN 1 END)"},
    "BOOLXOR": {2: "(CAST({0} AS BOOLEAN) <> CAST({1} AS BOOLEAN))"},
    "MOD": {2: "sf_modulo(sf_numeric({0}, 'MOD'), sf_numeric({1}, 'MOD'))"},
    "TRUNC": _truncated,
    "TRUNCATE": _truncated,
    "SQRT": {1: "sf_sqrt(sf_numeric({0}, 'SQRT'))"},
    "LN": {1: "sf_ln(sf_numeric({0}, 'LN'))"},
    "LOG": {2: "sf_log(sf_numeric({0}, 'LOG'), sf_numeric({1}, 'LOG'))"},
    "DECODE": _decode,
    "DIV0": {2: "CASE WHEN {1} = 0 AND NOT {0} IS NULL THEN 0 ELSE {0} / {1} END"},
    "DIV0NULL": {2: "CASE WHEN {1} = 0 OR {1} IS NULL THEN CASE WHEN NOT {0} IS NULL THEN 0 END ELSE {0} / {1} END"},
    "RANDOM": {
        0: "CAST(hash(uuid()) >> 1 AS BIGINT) * (CASE WHEN random() < 0.5 THEN -1 ELSE 1 END)",
        1: "sf_fail_text('not supported by the local warehouse: RANDOM with a seed' "
        "|| left(CAST({0} AS VARCHAR), 0))",
    },
    "REGEXP_SUBSTR": _regexp_substr,
    "REGEXP_REPLACE": _regexp_replace,
    "REGEXP_COUNT": _regexp_count,
    "REGEXP_INSTR": _regexp_instr,
    "RATIO_TO_REPORT": {1: "{0} / SUM({0})"},
    # text
    "INITCAP": {1: "sf_initcap({0})"},
    "SPLIT_PART": {3: "sf_split_part({0}, {1}, {2})"},
    "MD5": {1: "md5({0})"},
    "MD5_HEX": {1: "md5({0})"},
    "SHA1": {1: "sha1({0})"},
    "SHA1_HEX": {1: "sha1({0})"},
    "SHA2": {1: "sha256({0})", 2: "CASE WHEN {1} IN (256, 0) THEN sha256({0}) "
                                    "ELSE sf_fail_text('not supported by the local warehouse: "
                                    "SHA2 of other than 256 bits') END"},
    "SHA2_HEX": {1: "sha256({0})"},
    "UUID_STRING": {0: "CAST(uuid() AS VARCHAR)"},
    "RTRIM": {1: "rtrim({0}, ' ')", 2: "rtrim({0}, {1})"},
    "LTRIM": {1: "ltrim({0}, ' ')", 2: "ltrim({0}, {1})"},
    "TRIM": {1: "trim({0}, ' ')", 2: "trim({0}, {1})"},
    "STRTOK": {1: "sf_strtok({0}, ' ', 1)", 2: "sf_strtok({0}, {1}, 1)", 3: "sf_strtok({0}, {1}, {2})"},
    "BIT_LENGTH": {1: "bit_length({0})"},
    "OCTET_LENGTH": {1: "octet_length(encode({0}))"},
    # dates and times
    "YEAR": {1: _date_part("year")},
    "QUARTER": {1: _date_part("quarter")},
    "MONTH": {1: _date_part("month")},
    "WEEK": {1: _date_part("week")},
    "WEEKOFYEAR": {1: _date_part("week")},
    "WEEKISO": {1: _date_part("week")},
    "YEAROFWEEK": {1: _date_part("isoyear")},
    "YEAROFWEEKISO": {1: _date_part("isoyear")},
    "DAY": {1: _date_part("day")},
    "DAYOFMONTH": {1: _date_part("day")},
    "DAYOFWEEK": {1: _date_part("dayofweek")},
    "DAYOFWEEKISO": {1: _date_part("isodow")},
    "DAYOFYEAR": {1: _date_part("dayofyear")},
    "HOUR": {1: _date_part("hour")},
    "MINUTE": {1: _date_part("minute")},
    "SECOND": {1: _date_part("second")},
    "DAYNAME": {1: "left(dayname(sf_wall({0})), 3)"},
    "MONTHNAME": {1: "left(monthname(sf_wall({0})), 3)"},
    "MONTHS_BETWEEN": {2: "sf_months_between({0}, {1})"},
    "SYSDATE": {0: f"({STATEMENT_TIMESTAMP.call} AT TIME ZONE 'UTC')"},
    "DATE_FROM_PARTS": {3: "CAST(make_date({0}, 1, 1) + to_months(CAST({1} - 1 AS INTEGER)) "
                           "+ to_days(CAST({2} - 1 AS INTEGER)) AS DATE)"},
    "DATEFROMPARTS": {3: "CAST(make_date({0}, 1, 1) + to_months(CAST({1} - 1 AS INTEGER)) "
                         "+ to_days(CAST({2} - 1 AS INTEGER)) AS DATE)"},
    "CONVERT_TIMEZONE": convert_timezone,
    # sessions
    "CURRENT_VERSION": {0: "'10.0.0 (embedded)'"},
    "CURRENT_CLIENT": {0: "'embedded'"},
    "CURRENT_REGION": {0: "'LOCAL'"},
    "CURRENT_ACCOUNT_NAME": {0: "'EMBEDDED'"},
    "CURRENT_ORGANIZATION_NAME": {0: "'EMBEDDED'"},
}  # fmt: skip

# sqlglot's own translations that the contract suite has checked
ALLOWED: frozenset[type[exp.Expr]] = frozenset({
    exp.And, exp.Or, exp.Case, exp.Cast, exp.TryCast, exp.If, exp.Coalesce, exp.Nullif, exp.Exists, exp.Any,
    exp.Nvl2, exp.EqualNull, exp.Array, exp.Greatest, exp.Least, exp.Concat, exp.ConcatWs, exp.JSONExtract,
    exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Median, exp.Stddev, exp.StddevPop,
    exp.Variance, exp.VariancePop, exp.AnyValue, exp.ApproxDistinct, exp.ArgMax, exp.ArgMin, exp.PercentileCont,
    exp.PercentileDisc, exp.Mode, exp.GroupConcat, exp.ArrayAgg, exp.LogicalAnd, exp.LogicalOr, exp.Corr,
    exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag, exp.Lead,
    exp.FirstValue, exp.LastValue, exp.NthValue,
    exp.Abs, exp.Ceil, exp.Floor, exp.Round, exp.Pow, exp.Exp, exp.Sign,
    exp.Upper, exp.Lower, exp.Length, exp.Substring, exp.Left, exp.Right, exp.Replace, exp.Pad, exp.Repeat,
    exp.Reverse, exp.StrPosition, exp.StartsWith, exp.EndsWith, exp.Contains, exp.Chr, exp.Ascii, exp.Translate,
    exp.RegexpLike, exp.Space,
    exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentUser, exp.CurrentRole, exp.CurrentDatabase, exp.CurrentSchema,
    exp.CurrentWarehouse, exp.CurrentAccount, exp.CurrentSession,
    exp.DateAdd, exp.DateDiff, exp.DateTrunc, exp.TimestampTrunc, exp.Extract, exp.LastDay, exp.AddMonths,
    exp.Explode, exp.Generator, exp.Localtime, exp.SplitToTable, exp.TimeSlice, exp.Grouping, exp.GroupingId,
    exp.Seq1, exp.Seq2, exp.Seq4, exp.Seq8,
})  # fmt: skip


def build(name: str, arguments: Arguments) -> exp.Expr:
    """The DuckDB form of a call to a function of OWN.

    Raises:
        SnowflakeError: 002140 for an unknown function, 000938 or 000939 for a wrong number of arguments.
    """
    own = OWN.get(name)
    if own is None:
        raise SnowflakeError(f"SQL compilation error:\nUnknown function {name}", Code.UNKNOWN_FUNCTION, "42601")
    if name in _AS_VARIANT:
        at = _AS_VARIANT[name]
        arguments = [cast_to(each, "JSON") if index in at else each for index, each in enumerate(arguments)]
    if name in _OF_TEXT:
        texts = 2 if name in _OF_TWO_TEXTS else 1
        arguments = [
            _as_text(each, encoded=name == "BASE64_ENCODE") if index < texts else each
            for index, each in enumerate(arguments)
        ]
    if callable(own):
        if not arguments and name not in ("OBJECT_CONSTRUCT", "OBJECT_CONSTRUCT_KEEP_NULL", "ARRAY_CONSTRUCT"):
            raise SnowflakeError(
                f"SQL compilation error:\nnot enough arguments for function [{name}]", Code.TOO_FEW_ARGUMENTS, "22023"
            )
        return own(arguments)
    template = own if isinstance(own, str) else own.get(len(arguments))
    if template is None:
        expected = " or ".join(str(count) for count in sorted(own)) if isinstance(own, dict) else "?"
        raise argument_count(name, expected, len(arguments))
    return fill(template, arguments)
