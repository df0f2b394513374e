"""Runs of task graphs: when they begin, and how. `warehouse` starts it; it runs statements through `statements`."""
