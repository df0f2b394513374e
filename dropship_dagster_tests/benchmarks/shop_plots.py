"""The plots of docs/shop.md, as small SVG files, from the shop they argue for.

python -m dropship_dagster_tests.benchmarks.shop_plots
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.compute as pc

from dropship_dagster.shop import ShopConfig, generate, read
from dropship_dagster.shop.contract import ORDER_EVENTS, ORDER_LINES, ORDERS, PRODUCTS, SUPPLIERS

OUT = Path(__file__).parents[2] / "docs" / "images"
WIDTH, HEIGHT, LEFT, BOTTOM = 720, 220, 46, 34
INK, GRID, ACCENT = "#44505c", "#d7dde2", "#2a6f97"


def main() -> None:
    """Generate a shop of 100,000 orders and draw it."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "seeds"
        generate(ShopConfig(orders=100_000, customers=20_000, products=500), folder)
        tables = {t.name: read(folder, t) for t in (SUPPLIERS, PRODUCTS, ORDERS, ORDER_LINES, ORDER_EVENTS)}
    plots = {"season": season(tables), "hours": hours(tables), "products": products(tables)}
    plots |= {"suppliers": suppliers(tables), "sizes": sizes(tables)}
    for name, svg in plots.items():
        (OUT / f"shop-{name}.svg").write_text(svg, encoding="utf-8")


def season(tables: dict[str, pa.Table]) -> str:
    """Orders a day over the whole of history."""
    days = Counter(moment.date() for moment in tables["orders"]["ordered_at"].to_pylist())
    first = min(days)
    values = [days[first + dt.timedelta(days=i)] for i in range((max(days) - first).days + 1)]
    labels = {i: (first + dt.timedelta(days=i)).strftime("%b %Y") for i in range(0, len(values) - 30, 91)}
    return line("Orders a day: growth, season, sales days", values, labels)


def hours(tables: dict[str, pa.Table]) -> str:
    """Orders by hour of the day in Paris."""
    local = pc.local_timestamp(tables["orders"]["ordered_at"].cast(pa.timestamp("ms", "Europe/Paris")))
    counts = Counter(pc.hour(local).to_pylist())
    return bars("Orders by the hour in Paris", [(f"{hour}", counts[hour]) for hour in range(24)])


def products(tables: dict[str, pa.Table]) -> str:
    """Lines of each product, the best first."""
    counts = sorted(Counter(tables["order_lines"]["product_id"].to_pylist()).values(), reverse=True)
    labels = {i: f"rank {i + 1}" for i in range(0, len(counts), 100)}
    return line("Order lines by product, from the bestseller to the long tail", counts, labels)


def suppliers(tables: dict[str, pa.Table]) -> str:
    """The share of orders with one line that came after their promise, by supplier."""
    delivered = tables["order_events"].filter(pc.equal(tables["order_events"]["event_type"], "order_delivered"))
    lines = tables["order_lines"].group_by("order_id").aggregate([("line_no", "max"), ("product_id", "min")])
    lines = lines.filter(pc.equal(lines["line_no_max"], 1)).rename_columns({"product_id_min": "product_id"})
    rows = delivered.select(["order_id", "event_time"]).join(lines, "order_id", join_type="inner")
    rows = rows.join(tables["orders"].select(["order_id", "promised_at"]), "order_id")
    rows = rows.join(tables["products"].select(["product_id", "supplier_id"]), "product_id")
    late = Counter(rows.filter(pc.greater(rows["event_time"], rows["promised_at"]))["supplier_id"].to_pylist())
    every = Counter(rows["supplier_id"].to_pylist())
    names = dict(zip(*(tables["suppliers"][name].to_pylist() for name in ("supplier_id", "name")), strict=True))
    values = [(names[key].split()[0], 100 * late[key] / every[key]) for key in sorted(names)]
    return bars("Deliveries after the promise, percent, by supplier", values)


def sizes(tables: dict[str, pa.Table]) -> str:
    """Pieces by letter size."""
    counts = Counter(tables["order_lines"]["size"].to_pylist())
    return bars("Lines by letter size", [(size, counts[size]) for size in ("XS", "S", "M", "L", "XL", "XXL")])


def line(title: str, values: Sequence[float], labels: dict[int, str]) -> str:
    """A line over its index."""
    top = max(values)
    step = (WIDTH - LEFT - 10) / max(len(values) - 1, 1)
    points = " ".join(f"{LEFT + i * step:.1f},{_height(value, top):.1f}" for i, value in enumerate(values))
    body = f'<polyline fill="none" stroke="{ACCENT}" stroke-width="1.3" points="{points}"/>'
    ticks = [(LEFT + i * step, text) for i, text in labels.items()]
    return _frame(title, body, top, ticks)


def bars(title: str, values: Sequence[tuple[str, float]]) -> str:
    """A bar a label."""
    top = max(value for _, value in values)
    step = (WIDTH - LEFT - 10) / len(values)
    parts, ticks = [], []
    for i, (text, value) in enumerate(values):
        x, y = LEFT + i * step, _height(value, top)
        height = HEIGHT - BOTTOM - y
        parts.append(
            f'<rect x="{x + step * 0.12:.1f}" y="{y:.1f}" width="{step * 0.76:.1f}" height="{height:.1f}" '
            f'fill="{ACCENT}"/>'
        )
        ticks.append((x + step / 2 - 10, text))
    return _frame(title, "".join(parts), top, ticks)


def _height(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - 34)


def _frame(title: str, body: str, top: float, ticks: Sequence[tuple[float, str]]) -> str:
    parts = [f'<text x="{LEFT}" y="18" font-size="14" fill="{INK}">{escape(title)}</text>']
    for share in (0.0, 0.5, 1.0):
        y = _height(top * share, top)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" font-size="11" fill="{INK}" text-anchor="end">'
            f"{top * share:,.0f}</text>"
        )
    for x, text in ticks:
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 14}" font-size="11" fill="{INK}">{escape(text)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>{"".join(parts)}{body}</svg>\n'
    )


if __name__ == "__main__":
    main()
