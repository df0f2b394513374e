"""Snowflake SQL to DuckDB SQL, over sqlglot's syntax trees.

`dialect` parses, `rewriter` replaces what is written differently, `annotate` what depends on the types of its operands
(asked of DuckDB), `functions` lists what may be called. What is in none of the lists is refused by name.
"""
