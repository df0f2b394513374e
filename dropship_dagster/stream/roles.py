"""The three topics by what they carry; which names they have at the broker is configuration."""

CUSTOMERS = "customers"
PRODUCTS = "products"
ORDERS_EVENTS = "orders_events"

TOPICS = (CUSTOMERS, PRODUCTS, ORDERS_EVENTS)
