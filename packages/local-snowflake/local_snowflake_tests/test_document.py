"""README.md says what is true."""

from __future__ import annotations

import re
from pathlib import Path

from local_snowflake_tests.server import Session

DOCUMENT = Path(__file__).parents[1] / "README.md"


def examples(section: str) -> list[str]:
    """The statements in a section's table."""
    text = DOCUMENT.read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\|[^|]*\| `(.*)` \|$", text, re.MULTILINE)
    assert len(found) > 10, f"the table of '{section}' was not found"
    return found


def test_the_document_tells_what_is_supported_and_what_is_refused(session: Session) -> None:
    for statement in examples("Supported statements"):
        session.run(statement)
    for statement in examples("Refused"):
        error = session.fails(statement)
        assert error.errno == 2, f"{statement}: {error}"
        assert "not supported by the local warehouse" in str(error), statement
