"""DuckDB text with slots: places for what belongs to one run of it, so that the rest can be kept and run again.

In the text that sqlglot renders, a slot is a call with quotes of both kinds in its argument, one of which is doubled in
every name and every string: no statement can write it. The first two kinds exist as macros (macros.sql), so that a text
with them can be described as it is.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass


class SlotKind(enum.Enum):
    """What goes into a slot; the value is the name of its call."""

    STATEMENT_TIMESTAMP = "SF_STATEMENT_TIMESTAMP"
    BOUND_VALUE = "SF_BOUND"
    STAGED_FILE = "SF_FILE"


@dataclass(frozen=True)
class Slot:
    """A place in a text; `name` is that of the parameter for a BOUND_VALUE."""

    kind: SlotKind
    name: str = ""

    @property
    def call(self) -> str:
        """The slot in DuckDB text."""
        return f"{self.kind.value}('\"{self.name}')"


STATEMENT_TIMESTAMP = Slot(SlotKind.STATEMENT_TIMESTAMP)
"""When the statement began, a TIMESTAMPTZ."""
STAGED_FILE = Slot(SlotKind.STAGED_FILE)
"""The path of the file that COPY reads."""

_CALL = re.compile(rf"""({"|".join(kind.value for kind in SlotKind)})\('"(\w*)'\)""")


@dataclass(frozen=True)
class SlottedText:
    """A DuckDB statement, in parts: text, and slots between."""

    parts: tuple[str | Slot, ...]

    @classmethod
    def of(cls, text: str) -> SlottedText:
        """The parts of a text with the calls of slots in it."""
        pieces = _CALL.split(text)
        parts: list[str | Slot] = [pieces[0]]
        for kind, name, following in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
            parts += [Slot(SlotKind(kind), name), following]
        return cls(tuple(part for part in parts if part != ""))

    def fill(self, value: Callable[[Slot], str]) -> str:
        """The text with a value in each slot."""
        return "".join(part if isinstance(part, str) else value(part) for part in self.parts)

    def fill_one(self, slot: Slot, value: str) -> SlottedText:
        """The text with a value in one of its slots; the others stay."""
        return SlottedText(tuple(value if part == slot else part for part in self.parts))
