"""What a page shows instead of figures, or above them: nothing loaded yet, the warehouse down."""

from __future__ import annotations

import streamlit as st

from streamlit_monitor.language import formats, t
from streamlit_monitor.store import Trouble

_STEPS = """\
make generate-data   # the shop's CSV files
make produce         # into the Kafka topics
make consume         # from Kafka into RAW
make refresh         # RAW -> STAGING -> PROD"""


def empty() -> None:
    """The warehouse holds no order: what to run."""
    with st.container(border=True, key="empty"):
        st.subheader(t("empty.title"), anchor=False)
        st.write(t("empty.body"))
        st.code("make demo", language="shell")
        st.caption(t("empty.more"))
        st.code(_STEPS, language="shell")


def never(reason: str) -> None:
    """The warehouse is down and there is nothing to show meanwhile."""
    with st.container(border=True, key="never"):
        st.text(t("state.never", reason=reason))
        st.code("make up", language="shell")


def down(trouble: Trouble) -> bool:
    """The warehouse is down and the page shows what it last said; whether the reader wants to try again."""
    moment = formats().moment(trouble.last_answer or trouble.since)
    with st.container(border=True, key="down", horizontal=True, vertical_alignment="center"):
        st.badge(t("state.stale"), icon=":material/cloud_off:", color="orange")
        st.text(t("state.down", moment=moment, reason=trouble.sentence), width="stretch")
        return bool(st.button(t("state.retry"), icon=":material/refresh:", key="retry"))
