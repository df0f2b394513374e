"""What sells, what does not, and what runs out?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from streamlit_monitor import cards, charts, panels
from streamlit_monitor.cards import Card
from streamlit_monitor.language import formats, label, t
from streamlit_monitor.live import View, live
from streamlit_monitor.queries import products
from streamlit_monitor.queries.products import MEASURES, Choice, Measure

_TOP = 10
_ROWS = 200
_POINTS = 400
_PRODUCT = "product"
_HOUR = 3600
_LONGEST_ID = 100


def page() -> None:
    """Draw the page, or the one of the product that the URL names; of one that is not there, it says so."""
    if st.query_params.get(_PRODUCT):
        live(_draw_product)
    else:
        live(_draw)


def _draw(view: View) -> None:
    measure, choice = _controls(view)
    span = view.period.current
    left, right = st.columns(2)
    with left, panels.box("products.top", stretch=True):
        _measured(products.ranking(view.store, span, measure, choice, _TOP), measure)
    with right, panels.box("products.flop", stretch=True):
        st.caption(t("products.flop.help"))
        flop = products.ranking(view.store, span, measure, choice, _TOP, worst_first=True)
        panels.bars(flop.assign(tied=flop["stock"] * flop["cost"]), "tied", t("column.tied"), money=True)
    left, right = st.columns(2)
    with left, panels.box("products.category", stretch=True):
        _measured(panels.named(products.by_category(view.store, span), "category"), measure)
    with right, panels.box("products.size", stretch=True):
        sizes = products.by_size(view.store, span, choice.category).head(_TOP)
        panels.bars(panels.named(sizes, "size"), "units", t("column.units"))
    _table(view, measure, choice)
    with panels.box("products.price"):
        sold = products.ranking(view.store, span, "units", choice, _POINTS)
        titles = {name: t(f"column.{name}") for name in ("price", "cost", "units")}
        st.altair_chart(charts.scatter(sold, titles))


def _controls(view: View) -> tuple[Measure, Choice]:
    with st.container(horizontal=True, vertical_alignment="top"):
        measure = st.segmented_control(
            t("overview.measure"),
            MEASURES,
            default=MEASURES[0],
            format_func=lambda code: t(f"column.{code}"),
            key="products-measure",
            required=True,
        )
        category = st.selectbox(
            t("column.category"),
            ["", *products.categories(view.store)],
            format_func=lambda code: label("category", code) if code else t("products.all"),
            key="products-category",
            width=200,
        )
        search = st.text_input(t("products.search"), key="products-search", max_chars=80, width=280)
    return measure, Choice(category or "", (search or "").strip())


def _measured(frame: pd.DataFrame, measure: Measure) -> None:
    panels.bars(frame, measure, t(f"column.{measure}"), money=measure != "units")


def _table(view: View, measure: Measure, choice: Choice) -> None:
    span = view.period.current
    found = products.ranking(view.store, span, measure, choice, _ROWS)
    found = found.assign(cover=_days_of_cover(found, span.days))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            t("products.open"),
            found["product_id"].tolist(),
            index=None,
            placeholder=t("products.open.hint"),
            format_func=dict(zip(found["product_id"], found["name"], strict=True)).get,
            key="products-open",
            width=420,
        )
    if chosen:
        st.query_params[_PRODUCT] = chosen
        st.rerun()
    panels.table(
        "products.table",
        "products",
        found,
        {
            "name": panels.text("product"),
            "category": panels.text("category"),
            "sales": panels.money("sales", help=t("kpi.sales.help")),
            "units": panels.number("units"),
            "margin": panels.money("margin"),
            "price": panels.money("price"),
            "cost": panels.money("cost"),
            "stock": panels.number("stock"),
            "cover": panels.number("cover", help=t("products.cover.help")),
        },
        found.assign(category=[label("category", code) for code in found["category"]]),
    )


def _days_of_cover(frame: pd.DataFrame, days: int) -> pd.Series:
    """How long the stock lasts at the pace of the period; nothing for what did not sell."""
    units = frame["units"].astype("float64")
    return (frame["stock"].astype("float64") / (units.where(units > 0) / days)).round()


def _may_be_an_id(text: str) -> bool:
    """Whether to ask the warehouse at all for what an address names."""
    return len(text) <= _LONGEST_ID and text.isprintable()


def _draw_product(view: View) -> None:
    name = st.query_params.get(_PRODUCT, "")
    product = products.one(view.store, name) if _may_be_an_id(name) else None
    if product is None:
        st.text(t("products.unknown", product=name[:_LONGEST_ID]))
        _draw(view)
        return
    if st.button(t("products.back"), icon=":material/arrow_back:", type="tertiary", key="products-back"):
        del st.query_params[_PRODUCT]
        st.session_state.pop("products-open", None)
        st.rerun()
    with st.container(key="name-product"):
        st.text(str(product["name"]))
    facts = ("product_id", "category", "subcategory", "brand", "material", "colour", "supplier", "supplier_country")
    kinds = {"supplier_country": "country"}  # the words for its codes
    st.text(" · ".join(label(kinds.get(fact, fact), product[fact]) for fact in facts if not pd.isna(product[fact])))
    _product_cards(view, product)
    span = view.period.current
    current = view.so_far(products.one_trend(view.store, span, name))
    previous = products.one_trend(view.store, view.period.previous, name) if view.period.previous else None
    with panels.box("products.trend"):
        hours = span.step == _HOUR
        st.altair_chart(charts.trend(current, previous, "units", money=False, hours=hours))
    with panels.box("products.size"):
        sizes = products.by_size(view.store, span, product=name)
        panels.bars(panels.named(sizes, "size"), "units", t("column.units"))


def _product_cards(view: View, product: pd.Series) -> None:
    span, name = view.period.current, str(product["product_id"])
    trend = view.so_far(products.one_trend(view.store, span, name))
    before = products.one_trend(view.store, view.period.previous, name) if view.period.previous else None
    totals = trend[["sales", "units", "margin"]].sum()
    earlier = before[["sales", "units", "margin"]].sum() if before is not None else pd.Series(dtype="float64")
    units = float(totals["units"])
    cover = float(product["stock"]) / (units / span.days) if units else float("nan")
    with st.container(key="kpis"):
        cards.draw(
            [
                Card(
                    "sales",
                    "money",
                    float(totals["sales"]),
                    earlier.get("sales"),
                    trend["sales"],
                    below="products.trend",
                ),
                Card("units", "number", units, earlier.get("units"), trend["units"], below="products.trend"),
                Card(
                    "gross_margin",
                    "money",
                    float(totals["margin"]),
                    earlier.get("margin"),
                    trend["margin"],
                    below="products.trend",
                ),
                Card("cover", "number", cover, None, below="products.size"),
            ],
            4,
        )
    write = formats()
    price, cost = write.money(float(product["price"]), 2), write.money(float(product["cost"]), 2)
    st.text(t("products.facts", price=price, cost=cost, stock=write.number(float(product["stock"]))))
