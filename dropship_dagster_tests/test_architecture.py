"""The pictures of docs/architecture.md show the imports that are there, and no others."""

from __future__ import annotations

import re

import grimp
import pytest

from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster.supervisor import SERVICES

TEXT = (PROJECT_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOTS = ("streamlit_monitor", "dropship_dagster", "local_kafka", "local_snowflake", "local_service")
PICTURES = {"Packages": "", "Inside the local broker": "local_kafka", "Inside the local warehouse": "local_snowflake"}
Arrows = set[tuple[str, str]]


def arrows(section: str, kind: str) -> Arrows:
    """The arrows of a kind in the picture of a section."""
    picture = re.findall(r"^```mermaid\n(.*?)^```$", TEXT.split(f"\n## {section}\n")[1].split("\n## ")[0], re.M | re.S)
    assert len(picture) == 1, section
    return set(re.findall(rf"^  (\w+) {re.escape(kind)} (\w+)$", picture[0], re.MULTILINE))


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOTS)


@pytest.mark.parametrize(("section", "package"), PICTURES.items())
def test_a_picture_has_an_arrow_for_each_import_between_its_boxes_and_no_other(
    imports: grimp.ImportGraph, section: str, package: str
) -> None:
    drawn = arrows(section, "-->")
    boxes = {box for arrow in drawn for box in arrow}
    module = {box: f"{package}.{box}" if package else box for box in boxes}
    there = {
        (one, other)
        for one in boxes
        for other in boxes - {one}
        if imports.direct_import_exists(importer=module[one], imported=module[other], as_packages=True)
    }
    assert drawn == there


def test_the_picture_of_the_packages_has_them_all() -> None:
    drawn = arrows("Packages", "-->")
    assert {box for arrow in drawn for box in arrow} == set(ROOTS)
    folders = {path.name.replace("-", "_") for path in (PROJECT_ROOT / "packages").iterdir()}
    assert folders <= set(ROOTS)


def test_what_the_platform_starts_is_what_its_supervisor_knows() -> None:
    assert arrows("Packages", "-. starts .->") == {("dropship_dagster", f"local_{service}") for service in SERVICES}
