"""Links from a figure to what says more: another page, with the controls carried along, or a part of the same one."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from streamlit_monitor.controls import link
from streamlit_monitor.language import t

_KEY = "pages"


def remember(pages: Mapping[str, st.Page]) -> None:
    """Keep the pages of this visit, so that what is drawn on one can lead to another."""
    st.session_state[_KEY] = dict(pages)


def to(page: str) -> None:
    """Draw a link to this page, with the period and the language of this one."""
    st.page_link(
        st.session_state[_KEY][page], label=t(f"nav.{page}"), icon=":material/arrow_outward:", query_params=link()
    )


def down(heading: str) -> None:
    """Draw a link to the part of this page with this heading."""
    st.markdown(f"[:material/arrow_downward: {t(heading)}](#{anchor(heading)})")


def anchor(heading: str) -> str:
    """Where a part of a page is found: `#fulfilment-late`."""
    return heading.replace(".", "-")
