"""report.html: one file to look at, with the pictures in it; made of what lies in the run directory alone.

Pictures are data URLs and the curve is inline SVG, so the file can be mailed or kept; it follows the reader's
light or dark scheme and prints.
"""

import base64
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from tinygen.drawing.render import caption_of
from tinygen.files import write_atomically
from tinygen.training import curves, metrics_log
from tinygen.training.progress import duration
from tinygen.training.run_directory import RunConfig, RunDirectory, resume_command, step_of

EARLIER = 6
"""How many earlier pictures stand beside the newest, at most: spread evenly over the run."""


def write_report(directory: RunDirectory) -> Path:
    """Write loss.png and report.html for the run as it is now, atomically. Raises OSError."""
    config = directory.read_config()
    records = [record for record in metrics_log.read(directory.metrics_file) if "loss" in record]
    if records:
        curves.save_curve(directory.loss_picture, records)
    write_atomically(directory.report, render(directory, config, records))
    return directory.report


def render(directory: RunDirectory, config: RunConfig, records: Sequence[Mapping[str, Any]]) -> str:
    """The page as text."""
    pictures = directory.pictures()
    steps = config.recipe.steps
    done = records[-1]["step"] if records else 0
    command = config.provenance.get("command", "")
    template = Template((Path(__file__).with_name("report.html.in")).read_text())
    return template.substitute(
        title=html.escape(f"{config.model} on {_short(config.data)}"),
        state="finished" if done >= steps else f"{done:,} of {steps:,} steps",
        state_class="done" if done >= steps else "open",
        started=html.escape(str(config.provenance.get("started", "")).replace("T", " ")[:16]),
        figures=_figures(config, records),
        pictures=_pictures(pictures),
        drawings=_drawings(directory.drawing_files()),
        evaluation=_evaluation(directory.evaluation_file),
        curve=curves.svg_curve(records) if records else "<p>No step has been logged yet.</p>",
        recipe=_table(
            {
                "seed": config.seed,
                "device": config.device,
                "precision": config.precision,
                **_spoken(vars(config.recipe)),
            }
        ),
        options=_table(_spoken(config.options)),
        versions=_table({**config.provenance.get("versions", {}), "machine": config.provenance.get("machine", "")}),
        command=html.escape(command),
        resume="" if done >= steps else _resume(directory),
    )


def _figures(config: RunConfig, records: Sequence[Mapping[str, Any]]) -> str:
    figures: list[tuple[str, str]] = []
    if "parameters" in config.provenance:
        figures.append(("parameters", count(config.provenance["parameters"])))
    if records:
        last = records[-1]
        figures.append(("steps", f"{last['step']:,}"))
        if last.get("seconds"):
            figures.append(("time", duration(last["seconds"])))
            rate = last["step"] / last["seconds"]
            figures.append(("steps per second", f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"))
        tail = records[-max(1, len(records) // 20) :]
        figures.append(("loss, last 5 %", f"{sum(record['loss'] for record in tail) / len(tail):.4f}"))
        figures.append(("least loss", f"{min(record['loss'] for record in records):.4f}"))
    return "".join(f"<div><b>{html.escape(value)}</b><span>{name}</span></div>" for name, value in figures)


def _pictures(paths: Sequence[Path]) -> str:
    if not paths:
        return ""
    *earlier, newest = paths
    chosen = _spread(earlier, EARLIER)
    hero = f'<figure class="newest">{_picture(newest)}</figure>'
    if not chosen:
        return f"<section>{hero}</section>"
    strip = "".join(f"<figure>{_picture(path)}</figure>" for path in chosen)
    return f'<section class="samples">{hero}<div class="earlier{" few" * (len(chosen) < 3)}">{strip}</div></section>'


def _picture(path: Path) -> str:
    step = step_of(path)
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<img alt="samples after {step:,} steps" src="data:image/png;base64,{data}">'
        f"<figcaption>step {step:,}</figcaption>"
    )


def _drawings(paths: Sequence[Path]) -> str:
    """What the model shows of itself, each at the size it was drawn for, with its caption."""
    if not paths:
        return ""
    return f'<section class="drawings">{"".join(map(_drawing, paths))}</section>'


def _drawing(path: Path) -> str:
    content, caption = path.read_bytes(), html.escape(caption_of(path))
    width = int.from_bytes(content[16:20]) // 2  # a PNG's width stands there; two of its pixels are one of the page
    data = base64.b64encode(content).decode()
    return (
        f'<figure style="width: {width}px"><img alt="" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _evaluation(path: Path) -> str:
    """What `tinygen eval` measured last."""
    if not path.exists():
        return ""
    found = json.loads(path.read_text())
    rows = {name: f"{value:.5g} {unit}" for name, (value, unit) in found["figures"].items()}
    return f"<h2>Measured on held-out data, step {found['step']:,}</h2>{_table(rows)}"


def _spread(items: Sequence[Path], n: int) -> list[Path]:
    """At most n of the items, the first and the last among them, evenly apart."""
    if len(items) <= n:
        return list(items)
    return [items[round(index * (len(items) - 1) / (n - 1))] for index in range(n)]


def _table(entries: Mapping[str, Any]) -> str:
    rows: Iterable[str] = (
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(_value(value))}</td></tr>" for name, value in entries.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _spoken(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Names of fields as words."""
    return {name.replace("_", " "): value for name, value in fields.items()}


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_value, value)) or "none"
    return "none" if value is None else str(value)


def _resume(directory: RunDirectory) -> str:
    return f"<h2>To go on</h2><pre>{html.escape(resume_command(directory.path))}</pre>"


def _short(data: str) -> str:
    return Path(data).name or data


def count(n: int) -> str:
    """A number of parameters as people say it: 950, 32.1 k, 1.05 M."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return str(n)
