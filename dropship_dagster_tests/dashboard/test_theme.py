"""The colours: contrast as WCAG 2.2 wants it (1.4.3 for text, 1.4.11 for marks)."""

from __future__ import annotations

import tomllib

import pytest

from dropship_dagster.settings import PROJECT_ROOT

CONFIG = tomllib.loads((PROJECT_ROOT / ".streamlit" / "config.toml").read_text())
GROUNDS = ("backgroundColor", "secondaryBackgroundColor")


@pytest.mark.parametrize("name", ["light", "dark"])
def test_text_stands_out_from_its_ground(name: str) -> None:
    theme = CONFIG["theme"][name]
    inks = ("textColor", "linkColor", "grayTextColor", "greenTextColor", "redTextColor")
    weak = [(ink, ground) for ink in inks for ground in GROUNDS if contrast(theme[ink], theme[ground]) < 4.5]
    assert weak == []


@pytest.mark.parametrize("name", ["light", "dark"])
def test_marks_stand_out_from_their_ground(name: str) -> None:
    theme = CONFIG["theme"][name]
    marks = [*theme["chartCategoricalColors"], theme["primaryColor"], theme["greenColor"], theme["redColor"]]
    assert [mark for mark in marks if contrast(mark, theme["backgroundColor"]) < 3] == []


@pytest.mark.parametrize("name", ["light", "dark"])
def test_a_sequence_of_colours_grows_away_from_the_ground(name: str) -> None:
    theme = CONFIG["theme"][name]
    steps = [contrast(colour, theme["backgroundColor"]) for colour in theme["chartSequentialColors"]]
    assert steps == sorted(steps)


def test_nothing_is_sent_or_exported_behind_the_readers_back() -> None:
    assert CONFIG["server"]["address"] == "127.0.0.1"
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["client"]["disableDataExport"] is True


def contrast(one: str, other: str) -> float:
    """w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
