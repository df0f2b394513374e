"""The pages, a module each with one `page()`; called by `streamlit_monitor.navigation`."""
