"""The picture of a step: which module was at work when, level by level, and below it every operation."""

from collections.abc import Iterable, Sequence

from tinygen.drawing import Stretch, Timeline
from tinygen.profiling.profile import Profile
from tinygen.profiling.watch import Event

LEVELS = 4
"""Of modules that are drawn, below the model."""
COLOURED = 9
"""Operations with a colour of their own, those that take the longest; the others share one."""
OTHERS = "others"


def timeline(found: Profile, title: str = "") -> Timeline:
    """The step of median length as lanes: its parts, modules from the outermost in, operations; in milliseconds.

    A gap is time in which nothing was computed: Python, the tape, or the profile's own.

    Raises:
        ValueError: nothing was computed.
    """
    events = found.typical_step()
    if not events:
        raise ValueError("there is nothing to draw: no operation ran within the profile")
    depth = max((e.module.count(".") + 1 for e in events if e.module), default=0)
    lanes = {"": merged((e, e.part) for e in events)}
    for level in range(min(depth, LEVELS)):
        lanes[f"level {level + 1}"] = merged((e, ancestor(e.module, level)) for e in events)
    groups = of_operations(events)
    begin = events[0].start
    lanes["operations"] = tuple(
        Stretch((e.start - begin) / 1e6, (e.stop - begin) / 1e6, "", groups[e.operation]) for e in events
    )
    return Timeline(
        f"{title + ': ' if title else ''}a step by module and by operation",
        lanes,
        tuple(dict.fromkeys(groups.values())),
        "ms",
    )


def of_operations(events: Sequence[Event]) -> dict[str, str]:
    """Operation -> the group whose colour it has, the longest first."""
    taken: dict[str, int] = {}
    for e in events:
        taken[e.operation] = taken.get(e.operation, 0) + e.stop - e.start
    ordered = sorted(taken, key=lambda name: -taken[name])
    return {name: name if place < COLOURED else OTHERS for place, name in enumerate(ordered)}


def ancestor(path: str | None, level: int) -> str:
    """The path of the module at work, cut to so many levels below the model; "" where it is not as deep."""
    names = path.split(".") if path else []
    return ".".join(names[: level + 1]) if len(names) > level else ""


def merged(named: Iterable[tuple[Event, str]]) -> tuple[Stretch, ...]:
    """Runs of events with the same name as one stretch each, called by the name's last part."""
    found: list[tuple[str, int, int]] = []
    begin: int | None = None
    for event, name in named:
        begin = event.start if begin is None else begin
        if found and found[-1][0] == name:
            found[-1] = (name, found[-1][1], event.stop)
        else:
            found.append((name, event.start, event.stop))
    return tuple(
        Stretch((start - (begin or 0)) / 1e6, (stop - (begin or 0)) / 1e6, name.rpartition(".")[2])
        for name, start, stop in found
        if name
    )
