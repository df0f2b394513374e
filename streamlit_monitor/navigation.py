"""The pages, from general to specific."""

from __future__ import annotations

import streamlit as st

from streamlit_monitor import links
from streamlit_monitor.language import t
from streamlit_monitor.views import customers, fulfilment, overview, pipeline, products, quality

_PAGES = {
    "overview": (overview.page, ":material/storefront:"),
    "products": (products.page, ":material/apparel:"),
    "customers": (customers.page, ":material/group:"),
    "fulfilment": (fulfilment.page, ":material/local_shipping:"),
    "pipeline": (pipeline.page, ":material/account_tree:"),
    "quality": (quality.page, ":material/verified:"),
}


# These show the platform as it is now, whatever the period.
ABOUT_THE_PLATFORM = frozenset({"pipeline", "quality"})


def pages() -> list[st.Page]:
    """Every page, titled in the reader's language; the first is the home page."""
    made = {name: page(name) for name in _PAGES}
    links.remember(made)
    return list(made.values())


def page(name: str) -> st.Page:
    """One page."""
    draw, icon = _PAGES[name]
    return st.Page(draw, title=t(f"nav.{name}"), icon=icon, url_path=name, default=name == "overview")
