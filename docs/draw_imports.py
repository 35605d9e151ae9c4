"""Draws which room of the package imports from which: `python docs/draw_imports.py`.

With `--check` it writes nothing, and exits with 1 where the committed drawing is not current.
"""

from __future__ import annotations

import sys

import rooms
import sources

WIDTH, BOX, GAP, STEP, LEFT = 960, 24, 12, 92, 40
WIDE_GAP = 90  # where a row leaves room
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1b2631; }
  .floor { fill: #6b7680; }
  rect { fill: #ffffff; stroke: #3d85c6; }
  path { fill: none; stroke: #828a91; stroke-width: 1; opacity: 0.75; }
  .paper { fill: #ffffff; stroke: none; }
"""


def _label(room: str) -> str:
    return room + "/" if (sources.PACKAGE / room).is_dir() else room + ".py"


def _boxes() -> dict[str, tuple[float, float, float]]:
    """Room -> left edge, top edge, width: a row per floor, each row in the middle, wrapped where it is too long."""
    placed: dict[str, tuple[float, float, float]] = {}
    top = 20.0
    for names in rooms.floors().values():
        for row in _rows(names):
            widths = [_width(name) for name in row]
            space = WIDTH - LEFT - sum(widths)
            gap = min(WIDE_GAP, space / max(1, len(row) - 1))
            left = LEFT + (space - gap * (len(row) - 1)) / 2
            for name, width in zip(row, widths, strict=True):
                placed[name] = (left, top, width)
                left += width + gap
            top += BOX + GAP
        top += STEP - BOX - GAP
    return placed


def _width(room: str) -> float:
    return 8.0 * len(_label(room)) + 16


def _rows(names: list[str]) -> list[list[str]]:
    rows: list[list[str]] = [[]]
    for name in names:
        if rows[-1] and sum(_width(one) + GAP for one in [*rows[-1], name]) > WIDTH - LEFT:
            rows.append([])
        rows[-1].append(name)
    return rows


def _arrow(start: tuple[float, float, float], end: tuple[float, float, float]) -> str:
    x1, y1, x2, y2 = start[0] + start[2] / 2, start[1] + BOX, end[0] + end[2] / 2, end[1]
    middle = (y1 + y2) / 2
    return f'<path d="M{x1:.0f} {y1:.0f} C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {y2:.0f}"/>'


def draw() -> str:
    """The drawing as SVG: the same source gives the same text."""
    boxes = _boxes()
    height = max(top for _, top, _ in boxes.values()) + BOX + 20
    count = sum(len(below) for below in rooms.arrows().values())
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">',
        f"<title>{len(boxes)} rooms, {len(rooms.floors())} floors, {count} imports between rooms</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height:.0f}"/>',
    ]
    lines += [_arrow(boxes[room], boxes[below]) for room in sorted(boxes) for below in rooms.needed(room)]
    for room, (left, top, width) in sorted(boxes.items()):
        lines.append(f'<rect x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{BOX}" rx="5"/>')
        lines.append(f'<text x="{left + width / 2:.0f}" y="{top + 16:.0f}" text-anchor="middle">{_label(room)}</text>')
    for number, names in rooms.floors().items():
        top = boxes[names[0]][1]
        lines.append(f'<text class="floor" x="10" y="{top + 16:.0f}">{number}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def main(words: list[str]) -> int:
    """Writes the drawing, or checks it; returns the exit code."""
    if words == ["--check"]:
        current = sources.DRAWING.is_file() and sources.DRAWING.read_text(encoding="utf-8") == draw()
        if not current:
            print(f"{sources.DRAWING}: not current; run python docs/draw_imports.py", file=sys.stderr)
        return int(not current)
    sources.DRAWING.write_text(draw(), encoding="utf-8")
    print(sources.DRAWING)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
