"""A text of several statements, parted at its semicolons: not at those of strings, comments, names and blocks.

Source: docs.snowflake.com/en/developer-guide/sql-api/submitting-multiple-statements.
"""

from __future__ import annotations

import re
from itertools import pairwise

from local_snowflake.syntax.lexer import OF_A_TRANSACTION

_PIECE = re.compile(
    r"""'(?:[^'\\]|\\.|'')*' | "(?:[^"]|"")*" | \$\$.*?\$\$ | --[^\n]* | //[^\n]* | /\*.*?\*/ | ; | [A-Za-z_][\w$]*
    """,
    re.DOTALL | re.VERBOSE,
)
_ENDS_OF_OTHERS = ("IF", "FOR", "WHILE", "LOOP", "REPEAT", "CASE")
"""What follows the END of a part of a block."""


def parts(text: str) -> list[str]:
    """The statements of a text, without their semicolons and without empty ones."""
    if ";" not in text:
        return [text]
    found = [piece for piece in _PIECE.finditer(text) if piece[0] == ";" or piece[0][0].isalpha() or piece[0][0] == "_"]
    words = [piece[0].upper() for piece in found]
    cuts: list[int] = []
    depth = cases = 0
    start, declared, first = True, False, ""
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) and words[index + 1] != ";" else None
        begins = word == "BEGIN" and following not in (None, *OF_A_TRANSACTION)
        if depth == 0:
            first = word if start else first
            # DECLARE ... BEGIN ... END is one block; the body of a task begins after AS
            may_begin = start or (words[index - 1] == "AS" and first in ("CREATE", "ALTER"))
            depth = int(may_begin and (begins or word == "DECLARE"))
            declared = may_begin and word == "DECLARE"
            if word == ";":
                cuts.append(found[index].start())
        elif begins:
            depth += 0 if declared else 1
            declared = False
        elif word == "CASE" and words[index - 1] != "END":
            cases += 1
        elif word == "END" and following not in _ENDS_OF_OTHERS:
            cases, depth = (cases - 1, depth) if cases else (0, depth - 1)
        start = word == ";"
    edges = [-1, *cuts, len(text)]
    statements = [text[low + 1 : high] for low, high in pairwise(edges)]
    return [statement for statement in statements if not _is_empty(statement)]


def _is_empty(statement: str) -> bool:
    """Whether there are but blanks and comments."""
    return not re.sub(r"--[^\n]*|//[^\n]*|/\*.*?\*/", "", statement, flags=re.DOTALL).strip()
