"""The assets: seeds, topics, raw, staging, prod, reports. Thin: each calls the layer that does the work.

`names` lists them and what stands on what; called by checks, automation and definitions.
"""
