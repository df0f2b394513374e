"""The colours: contrast as WCAG 2.2 wants it (1.4.3 for text, 1.4.11 for marks), and apart for every sight."""

from __future__ import annotations

import itertools
import tomllib

import numpy as np
import numpy.typing as npt
import pytest

from dropship_dagster.settings import PROJECT_ROOT
from streamlit_monitor.charts.look import is_dark

CONFIG = tomllib.loads((PROJECT_ROOT / ".streamlit" / "config.toml").read_text())
GROUNDS = ("backgroundColor", "secondaryBackgroundColor")

# What linear RGB becomes for those without one kind of cones: Machado, Oliveira and Fernandes, "A Physiologically-based
# Model for Simulation of Color Vision Deficiency", 2009, severity 1.0.
SIGHTS = {
    "all three": np.eye(3),
    "no red": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no green": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "no blue": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# Linear sRGB to CIE XYZ, relative to its white D65: IEC 61966-2-1.
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
) / np.array([[0.95047], [1.0], [1.08883]])


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


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHTS)
def test_colours_that_stand_together_differ_for_every_sight(name: str, sight: str) -> None:
    """Those that words, shapes or dashes do not tell apart as well: new and returning; passed, warned and failed."""
    theme = CONFIG["theme"][name]
    first, second, *_ = theme["chartCategoricalColors"]
    pairs = itertools.combinations((first, second, theme["redColor"]), 2)
    assert [pair for pair in pairs if difference(*pair, sight) < 15] == []


@pytest.mark.parametrize("name", ["light", "dark"])
def test_a_figure_can_be_read_on_every_colour_of_a_sequence(name: str) -> None:
    steps = CONFIG["theme"][name]["chartSequentialColors"]
    inks = {step: "#ffffff" if is_dark(step) else "#000000" for step in steps}
    assert [step for step, ink in inks.items() if contrast(step, ink) < 4.5] == []


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
    return float(linear(colour) @ (0.2126, 0.7152, 0.0722))


def difference(one: str, other: str, sight: str) -> float:
    """How far apart two colours are for this sight: CIE 1976, where 2 can just be seen side by side."""
    first, second = (lab(np.clip(SIGHTS[sight] @ linear(colour), 0, 1)) for colour in (one, other))
    return float(np.linalg.norm(first - second))


def lab(colour: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Linear RGB as CIE 1976 L*a*b*."""
    parts = XYZ @ colour
    x, y, z = np.where(parts > (6 / 29) ** 3, np.cbrt(parts), parts / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def linear(colour: str) -> npt.NDArray[np.float64]:
    """`#rrggbb` as linear RGB, 0 to 1."""
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
