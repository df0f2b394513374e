"""Numbers, money and times in both languages."""

# ruff: noqa: DTZ001 - times are naive UTC, as in the warehouse

import re
from datetime import datetime
from pathlib import Path

import streamlit_monitor
from streamlit_monitor.formats import FORMATS
from streamlit_monitor.texts import en, fr

ENGLISH, FRENCH = FORMATS["en"], FORMATS["fr"]
NARROW = "\u202f"


def test_money_is_written_as_each_language_writes_it() -> None:
    assert ENGLISH.money(1234567.891, 2) == "€1,234,567.89"
    assert FRENCH.money(1234567.891, 2) == f"1{NARROW}234{NARROW}567,89{NARROW}€"


def test_a_negative_amount_has_its_sign_before_the_currency() -> None:
    assert ENGLISH.money(-12) == "\u2212€12"
    assert ENGLISH.money(-0.2) == "€0"


def test_a_figure_that_is_not_there_is_a_dash() -> None:
    assert ENGLISH.money(None) == ENGLISH.percent(float("nan")) == FRENCH.number(None) == "\u2014"


def test_a_change_carries_the_sign_a_metric_looks_for() -> None:
    assert ENGLISH.change(0.123) == "+12.3%"
    assert FRENCH.change(-0.123) == f"-12,3{NARROW}%"


def test_moments_are_utc_and_say_so() -> None:
    assert FRENCH.moment(datetime(2025, 12, 31, 21, 5)) == "31 déc. 2025 21:05 UTC"


def test_both_languages_say_the_same_things() -> None:
    assert en.TEXTS.keys() == fr.TEXTS.keys()


def test_both_languages_fill_in_the_same_values() -> None:
    def names(text: str) -> set[str]:
        return {part.split("}")[0] for part in text.split("{")[1:]}

    different = [key for key, text in en.TEXTS.items() if names(text) != names(fr.TEXTS[key])]
    assert different == []


def test_every_text_the_pages_ask_for_is_there() -> None:
    asked = set()
    for path in Path(streamlit_monitor.__file__).parent.rglob("*.py"):
        asked |= set(re.findall(r'\bt\(\s*"([^"]+)"', path.read_text()))
        asked |= {
            f"column.{key}" for key in re.findall(r'panels\.(?:text|number|money|moment)\("([^"]+)"', path.read_text())
        }
        asked |= set(re.findall(r'panels\.(?:box|table)\(\s*"([^"]+)"', path.read_text()))
        asked |= {
            f"kpi.{key}{end}" for key in re.findall(r'Card\(\s*"([^"]+)"', path.read_text()) for end in ("", ".help")
        }
    assert asked - en.TEXTS.keys() == set()
