"""The parameter file: complete, validated, and wrong values named."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from dropship_dagster.shop import ShopConfig, ShopError, generate, load_parameters
from dropship_dagster.shop.config import DEFAULT_FILE


def changed(folder: Path, old: str, new: str) -> Path:
    """A copy of the default parameters with one change."""
    text = DEFAULT_FILE.read_text(encoding="utf-8")
    assert old in text
    path = folder / "shop.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("yearly_growth = 0.45", "yearly_growth = -3", "demand.yearly_growth"),
        ("yearly_growth = 0.45", "yearly_growh = 0.45", "yearly_growh"),
        ("end = 2026-01-01", "end = 2023-01-01", "period"),
        ('"Europe/Paris"', '"Europe/Lutetia"', "Lutetia"),
        ('sizes = "tops"', 'sizes = "hats"', "size_runs has no 'hats'"),
        ("klarna = 6,", "cheque = 6,", "payment_delays has no 'cheque'"),
        ('code = "HIVER25"', 'code = "=CMD()"', "sales.0.code"),
        ("reliability = 97", "reliability = 197", "suppliers.0.reliability"),
        ("rate = { at_start = 0.945, drift = 0.04 }", "", "country CH"),
        ("price = [1490, 3900]", "price = [3900, 1490]", "categories.0.price"),
        ("[period]", "[period", "not valid TOML"),
    ],
)
def test_a_wrong_parameter_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ShopError, match=said.replace("[", r"\[")):
        load_parameters(changed(tmp_path, old, new))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShopError, match=r"nothing\.toml"):
        load_parameters(tmp_path / "nothing.toml")


def test_a_changed_parameter_shows_in_the_data(tmp_path: Path) -> None:
    parameters = load_parameters(changed(tmp_path, "never_paid = 0.022", "never_paid = 1.0"))
    generate(ShopConfig(orders=100, parameters=parameters), tmp_path / "seeds")
    text = (tmp_path / "seeds" / "order_events.csv").read_text()
    assert "order_paid" not in text
    assert "payment_failed" in text


@pytest.mark.parametrize("sizes", [{"orders": 0}, {"customers": -1}, {"products": 0}, {"dirty": 2}, {"seed": -1}])
def test_sizes_that_cannot_be_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        ShopConfig(**sizes)


@pytest.mark.parametrize("orders", [1, 2, 17])
def test_the_smallest_shops_work(tmp_path: Path, orders: int) -> None:
    manifest = generate(ShopConfig(customers=1, products=1, orders=orders), tmp_path / "seeds")
    assert manifest.files["orders.csv"].rows == orders
