"""The platform, the dashboard on it, and a browser, each once for all tests that need it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint
from dropship_dagster.settings import Settings
from dropship_dagster_tests.dashboard.browser import Chromium, chromium_running, require_chromium
from dropship_dagster_tests.dashboard.platform import (
    Platform,
    dashboard,
    platform_in,
    rename_best_product,
    run_pipeline,
    write_report,
)
from streamlit_monitor.store import Store
from streamlit_monitor.warehouse import Warehouse


@pytest.fixture(scope="session")
def platform(
    settings: Settings, kafka: KafkaEndpoint, warehouse: WarehouseEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> Platform:
    """A small shop in PROD, made by the real pipeline."""
    made = platform_in(settings.home, tmp_path_factory.mktemp("dashboard"))
    run_pipeline(made)
    rename_best_product(made)
    write_report(made)
    return made


@pytest.fixture(scope="session")
def address(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the dashboard of that shop is."""
    with dashboard(platform, tmp_path_factory.mktemp("server") / "dashboard.log", "server.py") as url:
        yield url


@pytest.fixture
def store(platform: Platform) -> Iterator[Store]:
    """What the dashboard asks, without its server."""
    warehouse = Warehouse(platform.settings)
    yield Store(warehouse.query)
    warehouse.close()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Chromium]:
    """A browser, started once. It ends with these tests: Playwright keeps an event loop running in the thread."""
    require_chromium()
    with chromium_running() as running:
        yield running
