"""A generated shop that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from dropship_dagster.shop import ShopConfig, generate


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default shop. Nobody writes into it."""
    folder = tmp_path_factory.mktemp("shop") / "seeds"
    generate(ShopConfig(), folder)
    return folder
