"""The shop's clock: what time it is in the shop, for everybody who speaks of it.

A generated shop goes on where its history ends, in a time-lapse or at a rate, so its time is not ours. The producer
writes where its clock stands, and how fast it goes, into a small file beside its state; dashboard, Dagster and the
command line read it. Without the file the shop is one whose clock is the wall clock.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from local_service.files import replace_durably

HOME_FILE = "live.clock"
"""The file's name in DROPSHIP_HOME, beside `live.state`."""

LEASE_SECONDS = 60.0
"""How long the clock goes on after the producer last said so. Between two of Dagster's runs it does not stand still:
the next run sends what happened meanwhile. A producer that is gone for longer leaves it standing."""

DAY_SECONDS = 86_400
TIME_LAPSE = 1440.0
"""A shop day a minute."""
SLOWEST, FASTEST = 1.0, 1_000_000.0
"""Shop seconds a second: as ours, and a year in half a minute."""

_FORMAT = 1
_LAST_MS = 7_258_118_399_999  # 2199-12-31, the last day of the contract
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class ShopClock:
    """Where the clock stood at a moment of ours, and how it goes on. Times are epoch milliseconds.

    speed: shop seconds a second. rate: events a second of a load test, 0 when the shop sells by its demand. running:
    whether it goes on, for LEASE_SECONDS at most.
    """

    shop_ms: int
    wall_ms: int
    speed: float
    rate: float
    running: bool

    def at(self, wall_ms: int) -> int:
        """The shop's time at a moment of ours, which may lie before the record: then the time of the record."""
        if not self.running:
            return self.shop_ms
        passed = min(max(wall_ms - self.wall_ms, 0), int(LEASE_SECONDS * 1000))
        return min(self.shop_ms + int(passed * self.speed), _LAST_MS)

    def goes(self, wall_ms: int) -> bool:
        """Whether it is not standing still at a moment of ours."""
        return self.running and wall_ms - self.wall_ms < LEASE_SECONDS * 1000

    def now(self) -> dt.datetime:
        """The shop's time, naive UTC."""
        return moment_of(self.at(wall_ms()))

    def text(self) -> str:
        """`3 Jan 2026 14:05 (x1440)`, in English; of one that stands still or of a load test, it says so."""
        notes = [speed(self.speed)]
        if self.rate:
            notes.append(f"load test at {self.rate:g} events a second")
        if not self.goes(wall_ms()):
            notes.append("standing still")
        return f"{day_and_time(self.now())} ({', '.join(notes)})"


def read(path: Path) -> ShopClock | None:
    """What a producer wrote last; None where none did, or where the file is not one of ours.

    A producer that runs writes the file again within seconds, so one that is damaged is not worth an error.
    """
    try:
        values = json.loads(path.read_bytes())
        if values.pop("format") != _FORMAT:
            return None
        return ShopClock(**values)
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return None


def write(path: Path, clock: ShopClock) -> None:
    """Replace the file in one step.

    Raises:
        OSError: it cannot be written.
    """
    replace_durably(path, json.dumps({"format": _FORMAT, **asdict(clock)}).encode())


def beside(state: Path) -> Path:
    """The file of the clock of the stream with this state: live.state has live.clock."""
    return state.with_name(f"{state.stem}.clock")


def wall_ms() -> int:
    """Our time."""
    return int(dt.datetime.now(dt.UTC).timestamp() * 1000)


def moment_of(epoch_ms: int) -> dt.datetime:
    """Naive UTC, as in the warehouse."""
    return dt.datetime.fromtimestamp(epoch_ms / 1000, dt.UTC).replace(tzinfo=None)


def day_and_time(moment: dt.datetime) -> str:
    """`3 Jan 2026 14:05`."""
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year} {moment:%H:%M}"


def speed(factor: float) -> str:
    """`x1440`."""
    return f"x{factor:.10g}"


def shown(path: Path) -> str:
    """The shop's clock in a line of text; without a time-lapse, the wall clock."""
    clock = read(path)
    return clock.text() if clock else f"{day_and_time(moment_of(wall_ms()))} (the wall clock)"
