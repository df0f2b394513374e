"""The graph of the warehouse's tasks as rows of a tree, so that it fits a phone as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

After = Mapping[str, Sequence[str]]
"""The tasks that each task waits for."""


@dataclass(frozen=True)
class Row:
    """A task in the tree: below `parent`, the last of those it waits for."""

    name: str
    depth: int
    parent: str | None


def rows(after: After) -> list[Row]:
    """The tasks from the root on, each below the one that ends last of those it waits for.

    Tasks of one parent come by name; of several that a task waits for, the deepest counts, then the last by name.
    """
    depths: dict[str, int] = {}
    for name in after:
        _depth(name, after, depths)
    parents = {name: max(before, key=lambda each: (depths[each], each), default=None) for name, before in after.items()}
    children: dict[str | None, list[str]] = {}
    for name in sorted(after):
        children.setdefault(parents[name], []).append(name)
    return [row for root in children.get(None, []) for row in _below(root, None, 0, children)]


def _depth(name: str, after: After, depths: dict[str, int]) -> int:
    if name not in depths:
        depths[name] = 1 + max((_depth(each, after, depths) for each in after[name]), default=-1)
    return depths[name]


def _below(name: str, parent: str | None, depth: int, children: Mapping[str | None, list[str]]) -> list[Row]:
    found = [Row(name, depth, parent)]
    for child in children.get(name, []):
        found += _below(child, name, depth + 1, children)
    return found
