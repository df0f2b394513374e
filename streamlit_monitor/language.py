"""The reader's language: English or French, from the browser unless the reader chose."""

from __future__ import annotations

from typing import Any

import streamlit as st

from streamlit_monitor.formats import FORMATS, Formats
from streamlit_monitor.texts import en, fr

LANGUAGES = {"en": "English", "fr": "Français"}
KEY = "lang"

_TEXTS = {"en": en.TEXTS, "fr": fr.TEXTS}


def browser_language() -> str:
    """The language of the browser, English when this project does not speak it."""
    code = (st.context.locale or "en").split("-")[0].lower()
    return code if code in LANGUAGES else "en"


def language() -> str:
    """The code of the language to write in."""
    chosen = st.session_state.get(KEY)
    return chosen if chosen in LANGUAGES else browser_language()


def formats() -> Formats:
    """How to write numbers and times."""
    return FORMATS[language()]


def t(key: str, **values: Any) -> str:
    """The text of this key in the reader's language, with `{name}` filled in."""
    return _TEXTS[language()][key].format(**values)


def label(kind: str, code: object) -> str:
    """The word for a code of the data (a status, a channel), or the code itself when there is none."""
    return _TEXTS[language()].get(f"{kind}.{code}", str(code))
