"""Pictures of every page of a running dashboard, for the documentation.

python -m dropship_dagster_tests.dashboard.captures --url http://127.0.0.1:8501 --out docs/images
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from dropship_dagster_tests.dashboard.browser import Chromium, chromium_running, visit

_DRAWN = "[data-testid='stVegaLiteChart'] :is(svg, canvas), [data-testid='stDataFrame'] canvas"
_LONGEST = 1700
_STILL = 1500
"""Milliseconds in which charts and tables that fill a taller window are drawn; nothing on the page says they are."""


@dataclass(frozen=True)
class Picture:
    """A page as one reader sees it."""

    name: str
    path: str
    width: int = 1360
    dark: bool = False
    locale: str = "en-GB"


PICTURES = (
    Picture("dashboard", "/?period=90d"),
    Picture("dashboard-dark", "/?period=year&compare=year", dark=True, locale="fr-FR"),
    Picture("dashboard-phone", "/?period=28d", width=390),
    Picture("dashboard-products", "/products?period=90d"),
    Picture("dashboard-customers", "/customers?period=90d"),
    Picture("dashboard-fulfilment", "/fulfilment?period=90d"),
    Picture("dashboard-pipeline", "/pipeline"),
    Picture("dashboard-quality", "/quality"),
)


def capture(chromium: Chromium, url: str, out: Path) -> list[Path]:
    """Write the pictures as PNG files and return them."""
    out.mkdir(parents=True, exist_ok=True)
    return [_capture(chromium, url, out, picture) for picture in PICTURES]


def _capture(chromium: Chromium, url: str, out: Path, picture: Picture) -> Path:
    path = out / f"{picture.name}.png"
    with visit(chromium, f"{url}{picture.path}", width=picture.width, dark=picture.dark, locale=picture.locale) as seen:
        seen.page.locator(_DRAWN).first.wait_for()
        seen.settle()
        height = seen.page.evaluate("document.querySelector('.stMainBlockContainer').scrollHeight")
        seen.page.set_viewport_size({"width": picture.width, "height": min(int(height), _LONGEST)})
        seen.page.wait_for_timeout(_STILL)
        seen.settle()
        seen.page.screenshot(path=path, animations="disabled")
    return path


def main() -> None:
    """Parse the arguments and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--url", default="http://127.0.0.1:8501", help="of the running dashboard (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder (%(default)s)")
    arguments = parser.parse_args()
    with chromium_running() as chromium:
        for path in capture(chromium, arguments.url, arguments.out):
            print(f"{path} {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
