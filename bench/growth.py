"""A curve of growth as SVG: seconds over sizes, both by powers of ten, a line for each engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from pathlib import Path

from measure import ROOT

WIDE, HIGH, EDGE = 640, 400, 60
COLOURS = ("#1b5e9b", "#c25b12", "#3d7a34", "#7b3fa0")
Points = Sequence[tuple[int, float]]


def draw(name: str, title: str, curves: Mapping[str, Points]) -> Path:
    """Write ``bench/out/NAME.svg`` and give its path."""
    sizes = [size for points in curves.values() for size, _ in points]
    times = [seconds for points in curves.values() for _, seconds in points]
    left, right = log10(min(sizes)), log10(max(sizes)) + 0.01
    low, high = (log10(min(times)) // 1, log10(max(times)) // 1 + 1)

    def place(size: float, seconds: float) -> tuple[float, float]:
        along = (log10(size) - left) / (right - left)
        up = (log10(seconds) - low) / (high - low)
        return EDGE + along * (WIDE - 2 * EDGE), HIGH - EDGE - up * (HIGH - 2 * EDGE)

    parts = [_text(WIDE / 2, 24, title, "middle")]
    parts += [
        _text(place(size, 10**low)[0], HIGH - EDGE + 20, f"{size:,}", "middle")
        for size in sorted(set(sizes))
    ]
    for power in range(int(low), int(high) + 1):
        x, y = place(min(sizes), 10.0**power)
        parts.append(f'<path d="M{x:.0f} {y:.0f}H{WIDE - EDGE}" stroke="#ccc"/>')
        parts.append(_text(x - 6, y + 4, f"{10.0**power:g} s", "end"))
    for number, (label, points) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(EDGE + 10, EDGE + 16 * number, label, "start", colour))
    file = ROOT / "bench" / "out" / f"{name}.svg"
    file.parent.mkdir(parents=True, exist_ok=True)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}">'
    file.write_text("\n".join([head, *parts, "</svg>", ""]), encoding="utf-8")
    return file


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#222") -> str:
    style = f'text-anchor="{anchor}" font-family="sans-serif" font-size="12" fill="{colour}"'
    return f'<text x="{x:.0f}" y="{y:.0f}" {style}>{escape(text)}</text>'
