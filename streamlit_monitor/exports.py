"""CSV downloads that a spreadsheet opens without running anything."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from streamlit_monitor.language import t

# A cell that begins so is a formula to a spreadsheet: owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv(frame: pd.DataFrame) -> bytes:
    """RFC 4180 with a byte order mark, so that spreadsheets read it as UTF-8; texts like formulas get an apostrophe."""
    safe = frame.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]) and not pd.api.types.is_datetime64_any_dtype(safe[name]):
            safe[name] = safe[name].map(_escaped, na_action="ignore")
    text: str = safe.to_csv(index=False, lineterminator="\r\n", date_format="%Y-%m-%dT%H:%M:%SZ")
    return text.encode("utf-8-sig")


def download(frame: pd.DataFrame, name: str) -> None:
    """A button that downloads the frame as `<name>.csv`."""
    st.download_button(
        t("download.csv"),
        csv(frame),
        f"{name}.csv",
        "text/csv",
        key=f"download-{name}",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )


def _escaped(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
