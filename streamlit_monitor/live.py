"""Drawing a page, and drawing it again every few seconds while it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from dropship_dagster.settings import Settings
from streamlit_monitor import controls, headline, states
from streamlit_monitor.period import Period
from streamlit_monitor.store import HISTORY_SECONDS, LOOK_SECONDS, Pulse, Store
from streamlit_monitor.topics import Topics
from streamlit_monitor.warehouse import NotDeployedError, Warehouse, WarehouseDownError


@dataclass(frozen=True)
class View:
    """What a page draws from."""

    store: Store
    pulse: Pulse
    period: Period

    def so_far(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A row a point of the period, without figures for the points that are still to come."""
        shown = frame.copy()
        shown.loc[frame["at"] >= self.period.until, shown.columns != "at"] = float("nan")
        return shown


def live(draw: Callable[[View], None]) -> None:
    """Draw a page about the orders, or what stands in its place while there are none, and keep it up to date."""

    def draw_period(store: Store) -> None:
        pulse = store.pulse()
        if pulse.newest is None:
            states.empty()
        else:
            view = View(store, pulse, controls.chosen_period(pulse))
            draw(replace(view, period=headline.draw(store, pulse, view.period)))

    watch(draw_period)


def watch(draw: Callable[[Store], None]) -> None:
    """Draw a page, or what stands in its place while the warehouse has nothing to say, and keep it up to date."""

    @st.fragment(run_every=settings().dashboard_refresh_seconds)  # type: ignore[untyped-decorator] # Streamlit is not followed
    def body() -> None:
        warehouse, store = _shared()
        banner = st.container()
        try:
            draw(store)
        except NotDeployedError:
            states.empty()
        except WarehouseDownError as error:
            states.never(str(error))
        if store.trouble:
            with banner:
                retry = states.down(store.trouble)
            if retry:
                warehouse.allow_start()
                store.retry()
                st.rerun(scope="fragment")

    body()


def shop_clock() -> None:
    """Say what time it is in the shop, and keep it up to date."""
    st.fragment(headline.shop_clock, run_every=settings().dashboard_refresh_seconds)(settings().home)


def again(draw: Callable[[], None]) -> None:
    """Draw a page that needs no warehouse, and keep it up to date."""
    st.fragment(draw, run_every=settings().dashboard_refresh_seconds)()


def connect() -> None:
    """Open a connection and take the pulse ahead of the first visitor, who asks again and is told of any trouble."""
    with suppress(NotDeployedError, WarehouseDownError):
        _shared()[1].pulse()


def settings() -> Settings:
    """The configuration."""
    found: Settings = _settings()
    return found


def topics() -> Topics:
    """What the broker is asked."""
    found: Topics = _topics()
    return found


@st.cache_resource(show_spinner=False)  # type: ignore[untyped-decorator]
def _topics() -> Topics:
    return Topics(settings())


@st.cache_resource(show_spinner=False)  # type: ignore[untyped-decorator]
def _settings() -> Settings:
    return Settings.load()


@st.cache_resource(show_spinner=False)  # type: ignore[untyped-decorator]
def _shared() -> tuple[Warehouse, Store]:
    warehouse = Warehouse(settings())
    seconds = HISTORY_SECONDS if settings().snowflake_account else LOOK_SECONDS
    return warehouse, Store(warehouse.query, lambda: headline.latest(settings().home), seconds)
