"""The topics that CSV files and live traffic fill, by what they carry; their names at the broker are configuration."""

CUSTOMERS = "customers"
PRODUCTS = "products"
ORDERS_EVENTS = "orders_events"
