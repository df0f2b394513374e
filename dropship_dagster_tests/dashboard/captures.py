"""Every picture of docs/CAPTURE_CHECKLIST.md, taken from the running platform: dashboard, Dagster, validation report.

    python -m dropship_dagster_tests.dashboard.captures --out docs/images

Without a running platform it starts one (`dropship demo`, `dropship up --no-live`), and stops it afterwards.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import expect

from dropship_dagster.settings import PROJECT_ROOT, Settings
from dropship_dagster_tests.dashboard.browser import CHROMIUM, PATIENCE, Chromium, Visit, chromium_running, visit

LARGEST = 500_000
"""Bytes a picture may have."""

_DRAWN = "[data-testid='stVegaLiteChart'] :is(svg, canvas), [data-testid='stDataFrame'] canvas"
_HEIGHT = "document.querySelector('.stMainBlockContainer').scrollHeight"
_LONGEST = 3000
_STILL = 1500
"""Milliseconds in which charts and tables that fill a taller window are drawn; nothing on the page says they are."""

_START_SECONDS = 300
_SPINNING_SECONDS = 20


@dataclass(frozen=True)
class Picture:
    """A page as one reader sees it.

    Attributes:
        words: what a page of Dagster shows once it is drawn.
        smaller: how often its graph is zoomed out.
    """

    name: str
    path: str
    width: int = 1360
    height: int = 900
    dark: bool = False
    locale: str = "en-GB"
    words: str = ""
    smaller: int = 0


DASHBOARD = (
    Picture("dashboard", "/?period=90d"),
    Picture("dashboard-dark", "/?period=year&compare=year", dark=True, locale="fr-FR"),
    Picture("dashboard-phone", "/?period=28d", width=390),
    Picture("dashboard-products", "/products?period=90d"),
    Picture("dashboard-customers", "/customers?period=90d"),
    Picture("dashboard-fulfilment", "/fulfilment?period=90d"),
    Picture("dashboard-pipeline", "/pipeline"),
    Picture("dashboard-quality", "/quality"),
)
_GROUPS = ",".join(f"global@global:{group}" for group in ("seeds", "topics", "raw", "staging", "prod", "reports"))
DAGSTER = (
    Picture(
        "dagster-graph", f"/asset-groups?expanded={_GROUPS}", width=2000, height=1500, words="validation", smaller=4
    ),
    Picture("dagster-checks", "/assets/prod/orders?view=checks", width=1600, words="Passed"),
    Picture("dagster-sensors", "/automation", width=1600, words="topic_backlog"),
    Picture("dagster-runs", "/runs", width=1600, words="full_pipeline"),
)
REPORT = Picture("validation-report", "validation.html", width=1200, height=1700)


class CaptureError(Exception):
    """A picture cannot be taken; the message says what to do."""


def capture_dashboard(chromium: Chromium, url: str, out: Path) -> list[Path]:
    """Write the pictures of the dashboard as PNG files and return them."""
    return [_capture(chromium, f"{url}{picture.path}", out, picture, _wait_for_dashboard) for picture in DASHBOARD]


def capture_dagster(chromium: Chromium, url: str, out: Path) -> list[Path]:
    """Write the pictures of Dagster's UI as PNG files and return them."""
    return [_capture(chromium, f"{url}{picture.path}", out, picture, _wait_for_dagster) for picture in DAGSTER]


def capture_report(chromium: Chromium, folder: Path, out: Path) -> Path:
    """Write the picture of the validation report in this folder.

    Raises:
        CaptureError: there is no report.
    """
    page = folder / REPORT.path
    if not page.is_file():
        raise CaptureError(f"There is no {page}: run `make validate` first.")
    return _capture(chromium, page.as_uri(), out, REPORT, lambda seen, picture: None)


def _capture(
    chromium: Chromium, address: str, out: Path, picture: Picture, wait: Callable[[Visit, Picture], None]
) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{picture.name}.png"
    size = {"width": picture.width, "height": picture.height}
    with visit(chromium, address, **size, dark=picture.dark, locale=picture.locale) as seen:
        wait(seen, picture)
        seen.page.wait_for_timeout(_STILL)
        seen.page.screenshot(path=path, animations="disabled")
    if path.stat().st_size > LARGEST:
        raise CaptureError(f"{path} has {path.stat().st_size:,} bytes, more than {LARGEST:,}: show less of the page.")
    return path


def _wait_for_dashboard(seen: Visit, picture: Picture) -> None:
    """Until everything is drawn, in a window as tall as the page."""
    seen.page.locator(_DRAWN).first.wait_for()
    seen.settle()
    before = 0
    while (height := int(seen.page.evaluate(_HEIGHT))) > before:  # a part that comes late makes the page longer
        seen.page.set_viewport_size({"width": picture.width, "height": min(height, _LONGEST)})
        seen.page.wait_for_timeout(_STILL)
        seen.settle()
        before = height


def _wait_for_dagster(seen: Visit, picture: Picture) -> None:
    """Until nothing turns any more; some pages count seconds, and for those there is a limit."""
    expect(seen.page.get_by_text(picture.words, exact=True).first).to_be_visible(timeout=PATIENCE)
    seen.page.wait_for_load_state("networkidle")
    for _ in range(picture.smaller):
        seen.page.get_by_role("button", name="zoom_out").click()
    before, deadline = b"", time.monotonic() + _SPINNING_SECONDS
    while time.monotonic() < deadline:
        now = seen.page.screenshot()
        if now == before:
            return
        before = now
        seen.page.wait_for_timeout(_STILL)


@contextmanager
def running_platform(settings: Settings) -> Iterator[None]:
    """The platform of these settings: the one that runs, or one that is started for the pictures and stopped again.

    Raises:
        CaptureError: only a part of it runs, or it does not start.
    """
    answering = [_answers(url) for url in addresses(settings)]
    if all(answering):
        yield
        return
    if any(answering):
        raise CaptureError("Only one of the dashboard and Dagster's UI runs: stop it, or start both with `make up`.")
    print("No platform runs: starting one for the pictures ...", flush=True)
    for command in ("demo", "validate"):  # a second run, so that there is a history to show
        if subprocess.run(_dropship(command), cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL, check=False).returncode:
            raise CaptureError(f"`dropship {command}` failed: run it by itself to see why.")
    process = subprocess.Popen(_dropship("up", "--no-live"), cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not all(_answers(url) for url in addresses(settings)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise CaptureError("The platform does not start: run `make up` by itself to see why.")
            time.sleep(1)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def addresses(settings: Settings) -> tuple[str, str]:
    """Of the dashboard and of Dagster's UI."""
    return f"http://127.0.0.1:{settings.dashboard_port}", f"http://127.0.0.1:{settings.dagster_port}"


def _dropship(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dropship_dagster.cli", *arguments]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def main() -> None:
    """Parse the arguments and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder (%(default)s)")
    arguments = parser.parse_args()
    settings = Settings.load()
    if not CHROMIUM:
        raise SystemExit("The pictures need Chromium or Chrome (Debian: apt-get install chromium).")
    try:
        with running_platform(settings), chromium_running() as chromium:
            dashboard, dagster = addresses(settings)
            taken = capture_dashboard(chromium, dashboard, arguments.out)
            taken += capture_dagster(chromium, dagster, arguments.out)
            taken.append(capture_report(chromium, settings.reports_dir, arguments.out))
    except CaptureError as error:
        raise SystemExit(str(error)) from None
    for path in taken:
        print(f"{path} {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
