"""The pictures of the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster_tests.dashboard.browser import Chromium
from dropship_dagster_tests.dashboard.captures import PICTURES, Picture, capture

LARGEST = 300_000


@pytest.mark.slow
@pytest.mark.browser
def test_every_picture_can_be_taken_anew(chromium: Chromium, address: str, tmp_path: Path) -> None:
    for path in capture(chromium, address, tmp_path):
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size < LARGEST


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_every_picture_is_in_the_documentation_and_light_to_load(picture: Picture) -> None:
    name = f"{picture.name}.png"
    path = PROJECT_ROOT / "docs" / "images" / name
    assert path.stat().st_size < LARGEST
    assert f"images/{name}" in (PROJECT_ROOT / "docs" / "dashboard.md").read_text()
