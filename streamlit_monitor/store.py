"""What the dashboard last learned from the warehouse, kept for when it is asked again or does not answer.

An answer is served until the warehouse has news (the pulse changed) or a minute has passed. While the warehouse is down
the last answer is served, and `Store.trouble` says since when it is stale.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from streamlit_monitor.warehouse import WarehouseDownError

Run = Callable[[str, Mapping[str, Any]], pd.DataFrame]

PULSE_SECONDS = 2.0
LOOK_SECONDS = 4.0
ANSWER_SECONDS = 60.0
HISTORY_SECONDS = 300.0
"""For table functions of INFORMATION_SCHEMA on an account, which wake the warehouse: no result cache answers
them (docs.snowflake.com/en/user-guide/querying-persisted-results, whose conditions no system function meets)."""
_ANSWERS = 512
_RETRY_SECONDS = 4.0

# Metadata alone answers it on Snowflake, so looking for news wakes no warehouse and costs nothing.
PULSE = """
SELECT COUNT(*) AS orders, MAX(UPDATED_AT) AS updated_at, MAX(PLACED_AT) AS newest
FROM PROD.ORDERS
"""

# Asked only when the newest order lies in the future. A day is allowed for shops whose clock is not UTC.
NEWEST_SO_FAR = """
SELECT MAX(PLACED_AT) AS newest
FROM PROD.ORDERS
WHERE PLACED_AT < :latest
"""
_AHEAD = timedelta(days=1)


@dataclass(frozen=True)
class Pulse:
    """What tells whether anything changed."""

    orders: int
    updated_at: datetime | None
    newest: datetime | None
    """When the newest order was placed that does not lie in the future, UTC; the newest of all when every order does,
    None while there is none."""


@dataclass(frozen=True)
class Trouble:
    """The warehouse does not answer."""

    sentence: str
    since: datetime
    last_answer: datetime | None


@dataclass
class _Answer:
    frame: pd.DataFrame
    pulse: Pulse | None
    at: float


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Store:
    """Answers by query and parameters; one for all sessions."""

    def __init__(self, run: Run, now: Callable[[], datetime] = _now, history_seconds: float = LOOK_SECONDS) -> None:
        """
        Args:
            run: asks the warehouse.
            now: naive UTC; an order that lies more than a day after it has a wrong time. By default the wall clock.
            history_seconds: how long an answer of `history` is kept.
        """
        self._run = run
        self._now = now
        self._history_seconds = history_seconds
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[Any, ...], _Answer] = OrderedDict()
        self._asking: dict[tuple[Any, ...], threading.Lock] = {}
        self._last_answer: datetime | None = None
        self._retry_at = 0.0
        self.trouble: Trouble | None = None

    def pulse(self) -> Pulse:
        """The newest state known, at most two seconds old while the warehouse answers.

        Raises:
            WarehouseDownError: it does not answer and never did.
            NotDeployedError: it holds nothing of this project yet.
        """
        row = self._ask(PULSE, {}, None, PULSE_SECONDS).iloc[0]
        pulse = Pulse(int(row["orders"]), _time(row["updated_at"]), _time(row["newest"]))
        latest = self._now() + _AHEAD
        if pulse.newest is None or pulse.newest < latest:
            return pulse
        bound = {"latest": latest.replace(minute=0, second=0, microsecond=0)}  # the same answer serves for an hour
        so_far = _time(self._ask(NEWEST_SO_FAR, bound, pulse, ANSWER_SECONDS).iloc[0]["newest"])
        return replace(pulse, newest=so_far or pulse.newest)

    def ask(self, sql: str, **parameters: Any) -> pd.DataFrame:
        """The answer to one SELECT with bound `:name` parameters. Do not change the frame: others share it.

        Raises:
            WarehouseDownError: it does not answer and no answer is kept.
            NotDeployedError: it holds nothing of this project yet.
        """
        return self._ask(sql, parameters, self.pulse(), ANSWER_SECONDS)

    def look(self, sql: str, **parameters: Any) -> pd.DataFrame:
        """As `ask`, for what changes without the orders: at most a few seconds old.

        Raises:
            WarehouseDownError: it does not answer and no answer is kept.
            NotDeployedError: it holds nothing of this project yet.
        """
        return self._ask(sql, parameters, None, LOOK_SECONDS)

    def history(self, sql: str, **parameters: Any) -> pd.DataFrame:
        """As `look`, for what wakes the warehouse whenever it is asked: TASK_HISTORY.

        Raises:
            WarehouseDownError: it does not answer and no answer is kept.
            NotDeployedError: it holds nothing of this project yet.
        """
        return self._ask(sql, parameters, None, self._history_seconds)

    def retry(self) -> None:
        """Ask the warehouse again at once, and take no answer kept for fresh."""
        with self._lock:
            self._retry_at = 0.0
            for answer in self._answers.values():
                answer.at = 0.0

    def _ask(self, sql: str, parameters: Mapping[str, Any], pulse: Pulse | None, seconds: float) -> pd.DataFrame:
        key = (sql, *sorted(parameters.items()))
        with self._lock:
            asking = self._asking.setdefault(key, threading.Lock())
        with asking:  # sessions that ask the same wait for one query instead of sending their own
            with self._lock:
                kept = self._answers.get(key)
                now = time.monotonic()
                if kept and kept.pulse == pulse and now - kept.at < seconds:
                    self._answers.move_to_end(key)
                    return kept.frame
                trouble = self.trouble if now < self._retry_at else None
            if trouble:
                return _kept(kept, WarehouseDownError(trouble.sentence))
            try:
                frame = self._run(sql, parameters)
            except WarehouseDownError as error:
                self._down(error)
                return _kept(kept, error)
            self._keep(key, _Answer(frame, pulse, time.monotonic()))
            return frame

    def _keep(self, key: tuple[Any, ...], answer: _Answer) -> None:
        with self._lock:
            self.trouble = None
            self._last_answer = datetime.now(UTC)
            self._answers[key] = answer
            self._answers.move_to_end(key)
            while len(self._answers) > _ANSWERS:
                oldest, _ = self._answers.popitem(last=False)
                self._asking.pop(oldest, None)

    def _down(self, error: WarehouseDownError) -> None:
        """Spare the reader one time-out a query: for some seconds nothing is asked."""
        with self._lock:
            since = self.trouble.since if self.trouble else datetime.now(UTC)
            self.trouble = Trouble(str(error), since, self._last_answer)
            self._retry_at = time.monotonic() + _RETRY_SECONDS


def _kept(answer: _Answer | None, error: WarehouseDownError) -> pd.DataFrame:
    if answer is None:
        raise error
    return answer.frame


def _time(value: Any) -> datetime | None:
    return None if pd.isna(value) else pd.Timestamp(value).to_pydatetime()
