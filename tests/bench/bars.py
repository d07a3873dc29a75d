"""The plots of the benches: bars, as SVG."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

_LEFT: Final = 170
_WIDTH: Final = 480
_BAR: Final = 18
_COLORS: Final = ("#3b6fb6", "#d97a26")


def draw_bars(title: str, rows: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Draw a bar for each value of each row. Bars of one place in their rows have one colour."""
    longest = max((value for _, values in rows for value in values), default=0.0) or 1.0
    height = 40 + sum(_BAR * len(values) + 10 for _, values in rows)
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 70}" height="{height}"'
            ' font-family="sans-serif" font-size="12">'
        ),
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="18" font-weight="bold">{escape(title)}</text>',
    ]
    top = 30
    for name, values in rows:
        middle = top + _BAR * len(values) / 2 + 4
        lines.append(f'<text x="8" y="{middle:.0f}">{escape(name.replace("`", ""))}</text>')
        for value, color in zip(values, _COLORS * len(values), strict=False):
            width = value / longest * _WIDTH
            lines.append(
                f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR - 2}" fill="{color}"/>'
                f'<text x="{_LEFT + width + 5:.1f}" y="{top + 13}">{value:.1f}</text>'
            )
            top += _BAR
        top += 10
    return "\n".join((*lines, "</svg>\n"))
