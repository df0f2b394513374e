"""Every link of the documentation that stays in the repository leads to a file and to a heading that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dropship_dagster.settings import PROJECT_ROOT

PLACES = ("*.md", "docs/**/*.md", "packages/*/*.md", ".github/**/*.md")
PAGES = sorted(page for place in PLACES for page in PROJECT_ROOT.glob(place))
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_TARGET = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def prose(page: Path) -> str:
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings: lower case, no punctuation, a hyphen for a space."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(prose(page))}


def test_the_pages_are_found() -> None:
    assert {"README.md", "README.fr.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} <= {p.name for p in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for target in _TARGET.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            lost.append(target)
    assert lost == []
