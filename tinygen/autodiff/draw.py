"""`draw_graph`: the recorded graph as DOT text and as SVG, drawn without any outside program."""

from dataclasses import dataclass
from html import escape

from tinygen.autodiff.tape import Node, reachable
from tinygen.tensor import Tensor

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 132, 38, 18, 34


@dataclass(frozen=True)
class Graph:
    """A drawing of a tape: `nodes` from the output down to the leaves, `edges` as (from, to) indices into them."""

    nodes: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    edges: tuple[tuple[int, int], ...]
    depth: tuple[int, ...]

    @property
    def dot(self) -> str:
        """The graph in Graphviz's language."""
        lines = ["digraph tape {", '  rankdir=TB; node [shape=box, fontname="sans-serif"];']
        for i, (name, shape) in enumerate(zip(self.nodes, self.shapes)):
            style = ', style=filled, fillcolor="#dbe9f6"' if name == "leaf" else ""
            label = name.replace("\\", r"\\").replace('"', r"\"")
            lines.append(f'  n{i} [label="{label}\\n{shape}"{style}];')
        lines += [f"  n{a} -> n{b};" for a, b in self.edges]
        return "\n".join([*lines, "}"])

    @property
    def svg(self) -> str:
        """The graph as a picture: leaves at the top, the output at the bottom."""
        rows: dict[int, list[int]] = {}
        for i, depth in enumerate(self.depth):
            rows.setdefault(depth, []).append(i)
        wide = max(len(row) for row in rows.values()) * (_WIDTH + _GAP_X) + _GAP_X
        tall = (max(rows) + 1) * (_HEIGHT + _GAP_Y) + _GAP_Y
        place = {}
        for depth, row in rows.items():
            left = (wide - len(row) * (_WIDTH + _GAP_X) + _GAP_X) / 2
            for j, i in enumerate(row):
                place[i] = (left + j * (_WIDTH + _GAP_X), _GAP_Y + depth * (_HEIGHT + _GAP_Y))
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall}" width="{wide}" height="{tall}" '
            'font-family="sans-serif" font-size="12" text-anchor="middle">',
            f'<rect width="{wide}" height="{tall}" fill="white"/>',
        ]
        for a, b in self.edges:
            (xa, ya), (xb, yb) = place[a], place[b]
            x0, y0, x1, y1 = xa + _WIDTH / 2, ya + _HEIGHT, xb + _WIDTH / 2, yb
            middle = (y0 + y1) / 2
            parts.append(
                f'<path d="M{x0:.0f},{y0:.0f} C{x0:.0f},{middle:.0f} {x1:.0f},{middle:.0f} {x1:.0f},{y1:.0f}" '
                'fill="none" stroke="#888"/>'
            )
        for i, (name, shape) in enumerate(zip(self.nodes, self.shapes)):
            x, y = place[i]
            fill = "#dbe9f6" if name == "leaf" else "#f6f3ea"
            parts.append(
                f'<rect x="{x:.0f}" y="{y:.0f}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" '
                f'fill="{fill}" stroke="#666"/>'
                f'<text x="{x + _WIDTH / 2:.0f}" y="{y + 16:.0f}" font-weight="bold">{escape(name)}</text>'
                f'<text x="{x + _WIDTH / 2:.0f}" y="{y + 31:.0f}" fill="#555">{escape(str(shape))}</text>'
            )
        return "\n".join([*parts, "</svg>"])

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str) -> None:
        """Writes the picture, or the DOT text when the name ends in .dot."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.dot if str(path).endswith(".dot") else self.svg)


def draw_graph(tensor: Tensor) -> Graph:
    """The graph recorded for `tensor`, as an object with `.svg`, `.dot` and `.save(path)`; notebooks show it.

    Raises:
        ValueError: the tensor carries no gradient, so nothing was recorded.
    """
    if tensor._node is None:
        raise ValueError("the tensor carries no gradient: nothing was recorded to draw")
    nodes = list(reversed(reachable(tensor._node)))  # oldest first: every parent stands before its child
    index: dict[Node, int] = {node: i for i, node in enumerate(nodes)}
    depth: list[int] = []
    edges = []
    for i, node in enumerate(nodes):
        above = [index[parent] for parent in node.ancestors()]
        depth.append(1 + max((depth[j] for j in above), default=-1))
        edges += [(j, i) for j in above]
    return Graph(tuple(n.name for n in nodes), tuple(n.shape for n in nodes), tuple(edges), tuple(depth))
