"""The dashboard: how the shop does and whether the data can be trusted, live, in a browser.

Run by `dropship monitor` and `dropship up` through Streamlit; nobody imports it. It reads the warehouse and never
writes.
"""
