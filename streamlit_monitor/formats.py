"""Numbers, money and times as the reader's language writes them. Amounts are EUR, times are UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

_NARROW = "\u202f"  # no-break space between thousands and before signs in French: Unicode CLDR
_MINUS = "\u2212"
_DASH = "\u2014"


@dataclass(frozen=True)
class Formats:
    """How one language writes. Source of the patterns: Unicode CLDR."""

    decimal: str
    thousands: str
    money_pattern: str
    percent_pattern: str
    months: tuple[str, ...]
    weekdays: tuple[str, ...]

    def number(self, value: float | None, digits: int = 0) -> str:
        """1,234.5"""
        if value is None or value != value:
            return _DASH
        text = f"{abs(value):,.{digits}f}".replace(",", "\0").replace(".", self.decimal).replace("\0", self.thousands)
        return f"{_MINUS}{text}" if round(value, digits) < 0 else text

    def money(self, value: float | None, digits: int = 0) -> str:
        """€1,234"""
        text = self.number(value, digits)
        return text if text == _DASH else _signed(self.money_pattern, text)

    def percent(self, value: float | None, digits: int = 1) -> str:
        """0.123 as 12.3%"""
        text = self.number(None if value is None else value * 100, digits)
        return text if text == _DASH else _signed(self.percent_pattern, text)

    def change(self, value: float) -> str:
        """0.123 as +12.3%, with the ASCII minus that st.metric looks for."""
        text = self.percent(abs(value))
        return f"{'-' if value < 0 else '+'}{text}"

    def day(self, value: date, *, year: bool = True) -> str:
        """31 Dec 2025"""
        text = f"{value.day} {self.months[value.month - 1]}"
        return f"{text} {value.year}" if year else text

    def minute(self, value: datetime) -> str:
        """31 Dec 2025 23:41"""
        return f"{self.day(value)} {value:%H:%M}"

    def moment(self, value: datetime) -> str:
        """31 Dec 2025 23:41 UTC"""
        return f"{self.minute(value)} UTC"

    def vega(self) -> dict[str, Any]:
        """The locale of charts: vega.github.io/vega-lite/docs/config.html#locale"""
        before, after = self.money_pattern.split("{}")
        return {
            "number": {
                "decimal": self.decimal,
                "thousands": self.thousands,
                "grouping": [3],
                "currency": [before, after],
                "percent": self.percent_pattern.removeprefix("{}"),
            },
            "time": {
                "dateTime": "%-d %b %Y %H:%M",
                "date": "%-d %b %Y",
                "time": "%H:%M",
                "periods": ["AM", "PM"],
                "days": list(self.weekdays),
                "shortDays": [name[:3] for name in self.weekdays],
                "months": list(self.months),
                "shortMonths": list(self.months),
            },
        }


def _signed(pattern: str, text: str) -> str:
    """The minus stands before a currency sign, too."""
    return _MINUS + pattern.format(text[1:]) if text.startswith(_MINUS) else pattern.format(text)


FORMATS = {
    "en": Formats(
        ".",
        ",",
        "€{}",
        "{}%",
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
        ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),
    ),
    "fr": Formats(
        ",",
        _NARROW,
        "{}" + _NARROW + "€",
        "{}" + _NARROW + "%",
        ("janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."),
        ("dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"),
    ),
}
