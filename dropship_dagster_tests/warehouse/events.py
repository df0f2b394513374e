"""Events as the shop sends them, small, and the ways to break them."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

NAMESPACE = uuid.UUID("0c9f3f0e-5a52-4d0e-9f7b-2f1d7f1b6a11")


@dataclass(frozen=True)
class Line:
    """A line of an order."""

    product_id: str
    quantity: int = 1
    unit_price: str = "20.00"
    unit_cost: str = "8.00"


@dataclass(frozen=True)
class Order:
    """What is needed to make the events of an order."""

    order_id: str
    customer_id: str = "C0000001"
    country: str = "FR"
    channel: str = "web"
    discount: str = "0.00"
    shipping_fee: str = "4.90"
    lines: tuple[Line, ...] = field(default=(Line("P00001"),))

    @property
    def goods(self) -> Decimal:
        return sum((Decimal(line.unit_price) * line.quantity for line in self.lines), Decimal())

    @property
    def cost(self) -> Decimal:
        return sum((Decimal(line.unit_cost) * line.quantity for line in self.lines), Decimal())

    @property
    def total(self) -> Decimal:
        return self.goods - Decimal(self.discount) + Decimal(self.shipping_fee)

    def placed(self, at: str = "2026-03-01T10:00:00.000Z", **changes: Any) -> dict[str, Any]:
        return {
            **self._envelope("order_placed", 1, at),
            "customer_id": self.customer_id,
            "channel": self.channel,
            "country": self.country,
            "currency": "EUR",
            "exchange_rate": 1.0,
            "payment_method": "card",
            "discount_code": None,
            "discount": float(self.discount),
            "shipping_fee": float(self.shipping_fee),
            "total": float(self.total),
            "promised_at": "2026-03-06T18:00:00.000Z",
            "lines": [
                {
                    "line_no": number,
                    "product_id": line.product_id,
                    "size": "M",
                    "quantity": line.quantity,
                    "unit_price": float(line.unit_price),
                    "unit_cost": float(line.unit_cost),
                }
                for number, line in enumerate(self.lines, start=1)
            ],
            **changes,
        }

    def paid(self, version: int = 2, at: str = "2026-03-01T10:05:00.000Z") -> dict[str, Any]:
        return self._envelope("order_paid", version, at)

    def shipped(self, version: int = 3, at: str = "2026-03-02T09:00:00.000Z", carrier: str = "DHL") -> dict[str, Any]:
        return {
            **self._envelope("order_shipped", version, at),
            "carrier": carrier,
            "tracking_number": f"T{self.order_id}{version}",
        }

    def delivered(self, version: int = 4, at: str = "2026-03-05T15:00:00.000Z") -> dict[str, Any]:
        return self._envelope("order_delivered", version, at)

    def cancelled(
        self, version: int = 2, at: str = "2026-03-01T12:00:00.000Z", refunded: str = "0.00"
    ) -> dict[str, Any]:
        return {
            **self._envelope("order_cancelled", version, at),
            "reason": "changed_mind",
            "refunded_amount": float(refunded),
        }

    def returned(
        self, version: int = 5, at: str = "2026-03-12T11:00:00.000Z", refunded: str | None = None
    ) -> dict[str, Any]:
        return {
            **self._envelope("order_returned", version, at),
            "reason": "too_small",
            "refunded_amount": float(refunded if refunded is not None else self.goods - Decimal(self.discount)),
        }

    def _envelope(self, event_type: str, version: int, at: str) -> dict[str, Any]:
        return envelope("orders_events", self.order_id, event_type, version, at) | {"order_id": self.order_id}


def customer(customer_id: str, version: int = 1, *, deleted: bool = False, **changes: Any) -> dict[str, Any]:
    """A customer event."""
    at = f"2026-01-{version:02d}T08:00:00.000Z"
    kind = "customer_deleted" if deleted else "customer_upserted"
    event = envelope("customers", customer_id, kind, version, at) | {"customer_id": customer_id}
    if deleted:
        return event
    return event | {
        "name": f"Customer {customer_id} v{version}",
        "email": f"{customer_id.lower()}@example.org",
        "phone": None,
        "city": "Lyon",
        "country": "FR",
        "locale": "fr_FR",
        "acquisition_channel": "organic_search",
        "segment": "new",
        "signed_up_at": "2026-01-01T08:00:00.000Z",
        **changes,
    }


def product(product_id: str, version: int = 1, *, deleted: bool = False, **changes: Any) -> dict[str, Any]:
    """A product event with its supplier."""
    at = f"2026-01-{version:02d}T07:00:00.000Z"
    kind = "product_deleted" if deleted else "product_upserted"
    event = envelope("products", product_id, kind, version, at) | {"product_id": product_id}
    if deleted:
        return event
    return event | {
        "name": f"Product {product_id} v{version}",
        "category": "Tops",
        "subcategory": "T-shirt",
        "brand": "Rive Sud",
        "material": "cotton",
        "colour": "navy",
        "sizes": ["S", "M", "L"],
        "price": 20.0,
        "cost": 8.0,
        "supplier": {
            "supplier_id": "S001",
            "name": "Tissages du Rhône",
            "country": "FR",
            "lead_time_days": 2,
            "reliability": 0.97,
            "return_window_days": 30,
        },
        "stock": 100 - version,
        "created_at": "2026-01-01T07:00:00.000Z",
        **changes,
    }


def envelope(topic: str, entity: str, event_type: str, version: int, at: str) -> dict[str, Any]:
    """What every event begins with."""
    return {
        "event_id": str(uuid.uuid5(NAMESPACE, f"{topic}/{entity}/{version}")),
        "event_type": event_type,
        "schema_version": 1,
        "version": version,
        "event_time": at,
    }


def encode(event: dict[str, Any]) -> bytes:
    """An event as a message's value."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
