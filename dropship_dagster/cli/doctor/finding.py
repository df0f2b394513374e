"""One thing looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Is it well, what was seen, and what to do if it is not."""

    subject: str
    ok: bool
    seen: str
    fix: str = ""
