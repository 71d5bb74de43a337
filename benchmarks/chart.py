"""Draws how long a hit takes as an SVG bar chart, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape

__all__ = ["bars"]

LABELS, PLOT, ROW, MARGIN = 170, 520, 24, 40
STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #333 }
    line { stroke: #ccc }
    .bar { fill: #9aa5b1 } .ours { fill: #b5651d }
    @media (prefers-color-scheme: dark) { text { fill: #ddd } line { stroke: #555 } .bar { fill: #6b7682 } }
"""


def bars(title: str, nanoseconds: Mapping[str, float]) -> str:
    """Return a chart of times by name, in the order given; the names that begin with "stillroom" stand out."""
    first = math.floor(math.log10(min(nanoseconds.values())))
    last = math.ceil(math.log10(max(nanoseconds.values())))
    height, width = 2 * MARGIN + ROW * len(nanoseconds), LABELS + PLOT + 80

    def x(value: float) -> float:
        return LABELS + PLOT * (math.log10(value) - first) / max(1, last - first)

    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">',
            f"<style>{STYLE}</style>",
            f'<text x="{LABELS}" y="20" font-weight="bold">{escape(title)}</text>',
            *_grid(((x(10**power), _time(10**power)) for power in range(first, last + 1)), height),
            *_rows(nanoseconds, x),
            "</svg>\n",
        ]
    )


def _grid(ticks: Iterable[tuple[float, str]], height: int) -> Iterator[str]:
    for position, label in ticks:
        yield f'<line x1="{position:.1f}" x2="{position:.1f}" y1="{MARGIN - 8}" y2="{height - MARGIN}"/>'
        yield f'<text x="{position:.1f}" y="{height - MARGIN + 18}" text-anchor="middle">{label}</text>'


def _rows(nanoseconds: Mapping[str, float], x: Callable[[float], float]) -> Iterator[str]:
    for row, (name, value) in enumerate(nanoseconds.items()):
        y, kind = MARGIN + ROW * row, "bar ours" if name.startswith("stillroom") else "bar"
        yield f'<text x="{LABELS - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
        yield f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{x(value) - LABELS:.1f}" height="{ROW - 8}"/>'
        yield f'<text x="{x(value) + 6:.1f}" y="{y + 12}">{_time(value)}</text>'


def _time(nanoseconds: float) -> str:
    return f"{nanoseconds:.0f} ns" if nanoseconds < 1000 else f"{nanoseconds / 1000:.3g} µs"
