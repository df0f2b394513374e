"""CSV downloads."""

import csv as reader
import io

import pandas as pd
import pytest

from streamlit_monitor.exports import csv


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_a_spreadsheet_would_run_is_escaped(start: str) -> None:
    cell = f'{start}HYPERLINK("http://example.com","click")'
    rows = _rows(csv(pd.DataFrame({"name": [cell]})))
    assert rows == [["name"], [f"'{cell}"]]


def test_numbers_stay_numbers_and_times_are_utc() -> None:
    frame = pd.DataFrame({"amount": [-1.5], "at": pd.to_datetime(["2025-12-31 21:05:00"])})
    assert _rows(csv(frame))[1] == ["-1.5", "2025-12-31T21:05:00Z"]


def test_commas_quotes_and_accents_survive() -> None:
    frame = pd.DataFrame({"name": ['Robe "été", taille 38', None]})
    assert _rows(csv(frame))[1:] == [['Robe "été", taille 38'], [""]]


def _rows(content: bytes) -> list[list[str]]:
    return list(reader.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
