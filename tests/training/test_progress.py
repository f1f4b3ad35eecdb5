"""A person sees loss, rate, time left and the newest picture, on a terminal and in a file."""

import io

from rich.console import Console

from tinygen.training import progress


def meter() -> progress.Meter:
    found = progress.Meter(step=0, steps=200)
    found.update(1, 0.25)
    found.rate = 10.0
    return found


def test_lines_for_a_file_come_every_few_seconds_and_at_the_end() -> None:
    out = io.StringIO()
    with progress.PlainProgress(out, every=1e6) as lines:
        for _ in range(3):
            lines.step(meter(), {"loss": 0.25})
        lines.picture("samples/step-00000001.png")
        last = meter()
        last.step = 200
        lines.step(last, {"loss": 0.25})
    assert out.getvalue().splitlines() == [
        "step 1/200  loss 0.2500  10.0 steps/s  20 s left",
        "samples: samples/step-00000001.png",
        "step 200/200  loss 0.2500  10.0 steps/s  done",
    ]


def test_the_live_display_shows_the_same_in_place() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with progress.LiveProgress("ddpm on digits", console) as live:
        live.step(meter(), {"loss": 0.25, "grad_norm": 1.5})
        live.drawing()
        live.picture("samples/step-00000001.png")
        live.note("a [note]")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for text in ("ddpm on digits", "1 / 200", "loss 0.2500", "10.0 steps/s", "20 s left", "grad_norm 1.5"):
        assert text in shown
    assert "samples samples/step-00000001.png" in shown
    assert "a [note]" in shown


def test_what_is_no_terminal_gets_plain_lines() -> None:
    assert isinstance(progress.choose("title"), progress.PlainProgress)
