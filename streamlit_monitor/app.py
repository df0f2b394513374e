"""The dashboard's entry point: `python -m streamlit run streamlit_monitor/app.py`.

Streamlit runs this file for every visit and every change of a control; what is drawn again by itself lives in `live`.
"""

from __future__ import annotations

import streamlit as st

from streamlit_monitor import controls, live, navigation
from streamlit_monitor.language import t
from streamlit_monitor.styles import ICON, STYLES

st.set_page_config(page_title=t("app.title"), page_icon=str(ICON), layout="wide")
st.logo(str(ICON), size="large")
st.html(STYLES)
page = st.navigation(navigation.pages(), position="top")
controls.draw(page.title, about_orders=page.url_path not in navigation.ABOUT_THE_PLATFORM)
live.shop_clock()
page.run()
