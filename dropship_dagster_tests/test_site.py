"""What the site of docs/ makes of a page: links that leave docs/, and the names of a package."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from types import ModuleType, SimpleNamespace

import pytest

from dropship_dagster.settings import PROJECT_ROOT

PACKAGES = ("dropship_dagster.shop", "dropship_dagster.stream", "dropship_dagster.warehouse")


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_pages", PROJECT_ROOT / "scripts" / "site_pages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rendered(hook: ModuleType, name: str, markdown: str) -> str:
    page = SimpleNamespace(file=SimpleNamespace(abs_src_path=str(PROJECT_ROOT / "docs" / name)))
    return str(hook.on_page_markdown(markdown, page=page))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_that_a_package_offers_is_on_its_page(hook: ModuleType, package: str) -> None:
    names = hook.public_names(package)
    loaded = importlib.import_module(package)
    assert names
    assert [name for name in names if not hasattr(loaded, name)] == []
    page = PROJECT_ROOT / "docs" / "api" / f"{package.rpartition('.')[2]}.md"
    assert f"members: {names}" in rendered(hook, f"api/{page.name}", page.read_text())


def test_a_link_to_a_file_of_the_repository_becomes_its_name(hook: ModuleType) -> None:
    assert rendered(hook, "shop.md", "see [shop.toml](../dropship_dagster/shop/shop.toml).") == "see shop.toml."


def test_a_page_from_the_root_leads_to_its_neighbours_on_the_site(hook: ModuleType) -> None:
    text = rendered(hook, "contributing.md", '--8<-- "CONTRIBUTING.md"\n')
    assert "](architecture.md#layers)" in text
    assert "](security.md)" in text
    assert "](docs/" not in text


def test_a_link_to_nothing_is_a_warning_which_fails_the_build(
    hook: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        rendered(hook, "shop.md", "see [it](../nowhere.py) and [that](https://example.com/x.md)")
    assert [record.getMessage() for record in caplog.records] == [
        "docs/shop.md leads to ../nowhere.py, which is not there"
    ]
