"""The table as bars: each figure as a share of its limit. It needs no library."""

from html import escape

from bench.figures import Figure, number

ROW, LEFT, WIDTH, RIGHT = 46, 20, 620, 160


def svg(figures: list[Figure], caption: str) -> str:
    """Return one bar for each figure that has a limit, with a line at the limit."""
    shown = [each for each in figures if each.ratio]
    longest = max([1.0, *(each.ratio or 0.0 for each in shown)])
    height = 56 + ROW * len(shown)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}"'
        ' font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="{LEFT}" y="26" fill="#1f2933">{escape(caption)}</text>',
    ]
    for index, figure in enumerate(shown):
        parts += _bar(figure, 44 + ROW * index, WIDTH / longest)
    return "\n".join([*parts, "</svg>", ""])


def _bar(figure: Figure, top: int, scale: float) -> list[str]:
    length = (figure.ratio or 0.0) * scale
    mark = LEFT + scale
    colour = "#b45309" if figure.reached is False else "#0f766e"
    label = f"{figure.name}: {number(figure.value)} {figure.unit}"
    limit = f"{figure.ratio:.2f} × {number(figure.limit or 0)} {figure.unit}"
    y = top + 18
    return [
        f'<text x="{LEFT}" y="{top + 12}" fill="#1f2933">{escape(label)}'
        f'<tspan fill="#6b7280">, beside {escape(figure.limit_name)}</tspan></text>',
        f'<rect x="{LEFT}" y="{y}" width="{scale:.1f}" height="14" fill="#e5e7eb"/>',
        f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="14" fill="{colour}"/>',
        f'<line x1="{mark:.1f}" x2="{mark:.1f}" y1="{y - 2}" y2="{y + 16}" stroke="#1f2933"/>',
        f'<text x="{LEFT + WIDTH + 8}" y="{y + 12}" fill="#1f2933">{escape(limit)}</text>',
    ]
