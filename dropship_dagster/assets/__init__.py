"""The assets: seeds, topics, raw, staging, prod, reports. Thin: each calls the layer that does the work.

`names` defines asset keys and upstream dependencies; called by checks, automation and definitions.
"""
