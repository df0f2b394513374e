"""Every word of the dashboard, one module a language with the same keys; read through `streamlit_monitor.language`."""
