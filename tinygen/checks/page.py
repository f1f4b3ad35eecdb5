"""The checks as a page to read: every formula, what it says, where it is from, and what was measured.

One self-contained file: formulas are inline SVG by Matplotlib's mathtext, pictures are data URLs.
"""

import base64
import html
import io
import re
from collections.abc import Sequence
from pathlib import Path
from string import Template

from tinygen.checks.measurement import Measurement
from tinygen.checks.outcome import Outcome
from tinygen.checks.registry import FAMILIES

FEW = 6
"""Measurements of one check that are shown without being asked for."""


def render(outcomes: Sequence[Outcome], made_with: str) -> str:
    """The page as text; `made_with` says what it was measured with, and ends the page."""
    failed = [outcome for outcome in outcomes if not outcome.holds]
    template = Template((Path(__file__).with_name("page.html.in")).read_text())
    return template.substitute(
        state=f"{len(failed)} of {len(outcomes)} fail" if failed else f"all {len(outcomes)} hold",
        state_class="fails" if failed else "holds",
        measurements=f"{sum(len(outcome.measurements) for outcome in outcomes):,}",
        contents=_contents(outcomes),
        families="".join(_family(name, outcomes) for name in FAMILIES),
        made_with=html.escape(made_with),
    )


def formula_svg(formula: str) -> str:
    """A formula, without dollar signs, as inline SVG in the colour of the text around it.

    Raises ValueError for what mathtext cannot set.
    """
    from matplotlib.mathtext import math_to_image

    buffer = io.StringIO()
    math_to_image(f"${formula}$", buffer, format="svg")
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'<g id="patch_1">.*?</g>', "", svg, flags=re.S)  # the ground
    width, height = (float(re.search(rf'{side}="([\d.]+)pt"', svg)[1]) for side in ("width", "height"))  # type: ignore[index]
    svg = re.sub(r'width="[\d.]+pt"', f'width="{width / 10:.3f}em"', svg, count=1)
    svg = re.sub(r'height="[\d.]+pt"', f'height="{height / 10:.3f}em"', svg, count=1)
    label = html.escape(formula, quote=True)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" fill="currentColor" ', 1)


def number(value: float) -> str:
    """A value as the tables show it: six significant digits."""
    return f"{value:.6g}"


def _contents(outcomes: Sequence[Outcome]) -> str:
    links = []
    for name, about in FAMILIES.items():
        of_family = [outcome for outcome in outcomes if outcome.check.family == name]
        if of_family:
            held = sum(outcome.holds for outcome in of_family)
            links.append(f'<a href="#{name}"><b>{held}/{len(of_family)}</b> {html.escape(about)}</a>')
    return "".join(links)


def _family(name: str, outcomes: Sequence[Outcome]) -> str:
    cards = "".join(_card(outcome) for outcome in outcomes if outcome.check.family == name)
    return f'<h2 id="{name}">{html.escape(FAMILIES[name].capitalize())}</h2>{cards}' if cards else ""


def _card(outcome: Outcome) -> str:
    check = outcome.check
    picture = ""
    if check.picture is not None and not outcome.stopped_by:
        from tinygen.drawing.render import render as draw

        drawing = check.picture()
        data = base64.b64encode(draw(drawing)).decode()
        caption = html.escape(drawing.caption)
        image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
        picture = f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
    problem = f'<p class="problem">{html.escape(outcome.stopped_by)}</p>' if outcome.stopped_by else ""
    mark = "holds" if outcome.holds else "fails"
    return f"""
<article id="{check.name}" class="{mark}">
<header><h3>{html.escape(check.title)}</h3><code>{check.name}</code><span class="mark">{mark}</span></header>
<div class="formula">{formula_svg(check.formula)}</div>
<p>{html.escape(check.statement)} <cite>{html.escape(check.source)}</cite></p>
{problem}{picture}
{_measurements(outcome)}
</article>"""


def _measurements(outcome: Outcome) -> str:
    """All of them; where they are many, the most strained one with the others folded away below it."""
    worst = outcome.worst
    if len(outcome.measurements) <= FEW or worst is None:
        return _table(outcome.measurements)
    every = f"all {len(outcome.measurements)} measurements, of which this is the one nearest to its tolerance"
    return f"{_table([worst])}<details><summary>{every}</summary>{_table(outcome.measurements)}</details>"


def _table(measurements: Sequence[Measurement]) -> str:
    head = "<tr><th></th><th>exact</th><th>measured</th><th>error</th><th>tolerance</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(map(_row, measurements))}</tbody></table>"


def _row(m: Measurement) -> str:
    cells = (number(m.exact), number(m.measured), f"{m.error:.1e}", f"{m.tolerance:.1e} {m.scale}")
    style = "" if m.holds else ' class="fails"'
    return f"<tr{style}><th>{html.escape(m.what)}</th>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
