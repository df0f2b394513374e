"""The graph of the warehouse's tasks with the last runs of each, drawn as SVG: it costs a page nothing but the picture.

It is shown as an image, in which a browser runs nothing; names are escaped all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from html import escape

import streamlit as st

from streamlit_monitor.charts.look import colours, ground, muted

_WIDTH, _HEIGHT = 256, 46  # of a task, in pixels
_ACROSS, _DOWN = 44, 10  # between tasks
_TICK = 5  # of a run, and a pixel to the next
_MARKS = {"SUCCEEDED": "✓", "FAILED": "✗", "FAILED_AND_AUTO_SUSPENDED": "✗", "CANCELLED": "✗", "EXECUTING": "…"}


@dataclass(frozen=True)
class Task:
    """A task of the graph.

    Attributes:
        after: the names of the tasks it waits for.
        states: how its last runs ended, the newest last.
        words: what stands below its name: the state of the last run, how long it took.
    """

    name: str
    after: frozenset[str]
    states: tuple[str, ...]
    words: str


def task_graph(tasks: Sequence[Task]) -> str:
    """The graph from left to right, a column for each distance from the root; at least one task."""
    places = _places(tasks)
    columns = max(x for x, _ in places.values()) + 1
    rows = max(y for _, y in places.values()) + 1
    width, height = columns * (_WIDTH + _ACROSS) - _ACROSS + 2, rows * (_HEIGHT + _DOWN) - _DOWN + 2
    drawn = [_arrow(places[above], places[task.name]) for task in tasks for above in sorted(task.after & places.keys())]
    drawn += [_box(task, places[task.name]) for task in tasks]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif">{"".join(drawn)}</svg>'
    )


def _places(tasks: Sequence[Task]) -> dict[str, tuple[int, int]]:
    """Column and row of each task, from 0: behind all it waits for, in the order of these."""
    after = {task.name: task.after & {each.name for each in tasks} for task in tasks}
    column: dict[str, int] = {}
    for name in TopologicalSorter(after).static_order():
        column[name] = max((column[above] + 1 for above in after[name]), default=0)
    members = [sorted(name for name in column if column[name] == each) for each in range(max(column.values()) + 1)]
    places: dict[str, tuple[int, int]] = {}
    for number, names in enumerate(members):

        def height(name: str) -> float:
            above = [places[each][1] for each in after[name]]
            return sum(above) / len(above) if above else 0.0

        for row, name in enumerate(sorted(names, key=lambda each: (height(each), each))):
            places[name] = number, row
    return places


def _corner(place: tuple[int, int]) -> tuple[int, int]:
    return 1 + place[0] * (_WIDTH + _ACROSS), 1 + place[1] * (_HEIGHT + _DOWN)


def _arrow(begin: tuple[int, int], end: tuple[int, int]) -> str:
    (x, y), (to_x, to_y) = _corner(begin), _corner(end)
    x, y, to_y = x + _WIDTH, y + _HEIGHT // 2, to_y + _HEIGHT // 2
    bend = _ACROSS // 2
    return (
        f'<path d="M{x} {y}H{to_x - _ACROSS}C{to_x - bend} {y} {to_x - bend} {to_y} '
        f'{to_x} {to_y}" fill="none" stroke="{muted()}" stroke-opacity="0.5"/>'
    )


def _box(task: Task, place: tuple[int, int]) -> str:
    x, y = _corner(place)
    theme = ground()
    ink, fill, edge = (
        st.get_option(f"theme.{theme}.{name}") for name in ("textColor", "secondaryBackgroundColor", "borderColor")
    )
    state = task.states[-1] if task.states else ""
    ticks = "".join(
        _tick(x + _WIDTH - 10 - (len(task.states) - number) * (_TICK + 1), y + 38, each)
        for number, each in enumerate(task.states)
    )
    return (
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" fill="{fill}" stroke="{edge}"/>'
        f'<rect x="{x}" y="{y + 6}" width="3" height="{_HEIGHT - 12}" fill="{_colour(state)}"/>'
        f'<text x="{x + 12}" y="{y + 19}" font-size="11" font-weight="600" fill="{ink}">'
        f"{escape(task.name)}</text>"
        f'<text x="{x + 12}" y="{y + 37}" font-size="11.5" fill="{muted()}">'
        f'<tspan fill="{_colour(state)}">{_MARKS.get(state, "–")}</tspan> {escape(task.words)}</text>{ticks}'  # noqa: RUF001
    )


def _tick(x: int, y: int, state: str) -> str:
    """A run, standing on this point: low when there was nothing to do, hollow while it goes on."""
    height = 3 if state == "SKIPPED" else 10
    fill = "none" if state == "EXECUTING" else _colour(state)
    return (
        f'<rect x="{x}" y="{y - height}" width="{_TICK}" height="{height}" rx="1" fill="{fill}" '
        f'stroke="{_colour(state)}" stroke-width="{1 if fill == "none" else 0}"/>'
    )


def _colour(state: str) -> str:
    if state == "SUCCEEDED":
        return colours()[0]
    if state.startswith("FAILED") or state == "CANCELLED":
        failed: str = st.get_option(f"theme.{ground()}.redColor")
        return failed
    return colours()[2] if state == "EXECUTING" else muted()
