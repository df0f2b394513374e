"""The README says the same in English and in French: commands, settings, links, pictures."""

from __future__ import annotations

import re

import pytest

from dropship_dagster.settings import PROJECT_ROOT

ENGLISH, FRENCH = "README.md", "README.fr.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_TARGET = re.compile(r"\]\(([^)]+)\)|<(http[^>]+)>")


def text(name: str) -> str:
    return (PROJECT_ROOT / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[tuple[str, list[str]]]:
    """Language and lines of each block of code, without comments and without diagrams, whose words are translated."""
    return [
        (language, [re.sub(r"\s+#.*", "", line) for line in body.splitlines()])
        for language, body in _BLOCK.findall(text(name))
        if language != "mermaid"
    ]


def prose(name: str) -> str:
    return _BLOCK.sub("", text(name))


def test_both_readmes_hold_the_same_blocks_of_code() -> None:
    assert len(blocks(ENGLISH)) >= 4
    assert blocks(FRENCH) == blocks(ENGLISH)


def test_both_readmes_name_the_same_commands_and_files() -> None:
    assert sorted(_INLINE.findall(prose(FRENCH))) == sorted(_INLINE.findall(prose(ENGLISH)))


def test_both_readmes_lead_to_the_same_places_and_to_each_other() -> None:
    targets = {name: {one or other for one, other in _TARGET.findall(text(name))} for name in (ENGLISH, FRENCH)}
    assert targets[ENGLISH] - {FRENCH} == targets[FRENCH] - {ENGLISH}
    assert FRENCH in targets[ENGLISH]
    assert ENGLISH in targets[FRENCH]


@pytest.mark.parametrize("name", [ENGLISH, FRENCH])
def test_every_file_a_readme_leads_to_exists(name: str) -> None:
    local = [one for one, _ in _TARGET.findall(text(name)) if one and not one.startswith("http")]
    assert [target for target in local if not (PROJECT_ROOT / target).exists()] == []
