"""Options from dataclasses, by tyro; what tyro says of wrong ones in a box is said here in one line."""

import contextlib
import dataclasses
import difflib
import io
import re
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from tinygen.training.contract import UsageError

T = TypeVar("T")

_KINDS = {int: "an integer", float: "a number", bool: "True or False", str: "a word", Path: "a path"}


def parse(options: type[T], args: Sequence[str], program: str, description: str = "") -> T:
    """An instance of the dataclass `options` from `args`. `--help` prints and leaves with code 0.

    Raises UsageError for what does not fit, in one line.
    """
    import tyro

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(options, args=list(args), prog=program, description=description or None)
    except SystemExit as leaving:
        if not leaving.code:
            raise
    raise UsageError(_one_line(options, complaint.getvalue(), program)) from None


def _one_line(options: type, box: str, program: str) -> str:
    """The complaint that tyro printed, with what would be right."""
    lines = [re.sub("[│╭╮╰╯─]", "", line).strip() for line in box.splitlines()]
    blocks = "\n".join("" if set(line) <= {"-"} else line for line in lines[1:]).split("\n\n")  # less the title
    said = next((" ".join(block.split()) for block in blocks if block.strip()), "wrong usage")
    fields, command = flags(options), program.removeprefix("tinygen ")
    if match := re.match(r"Unrecognized options: (.*)", said):
        wrong = match[1].split(",")[0].split()[0]
        near = difflib.get_close_matches(wrong.split("=")[0].replace("_", "-"), fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"{program} --help shows what there is"
        return f"{command} takes no {wrong}: {hint}"
    if match := re.match(r"Missing from .*?: [A-Z]+ (.*?)\.? \(required\)", said):
        return f"{command} takes the {match[1][0].lower()}{match[1][1:]}, which is missing"
    if (match := re.match(r"Error parsing (?:-\w/)?(--[\w-]+):", said)) and match[1] in fields:
        found = re.search(r"\[(.*?)\]|'.*'", said)
        return f"{match[1]} takes {kind(fields[match[1]])}, not {found[1] or found[0] if found else 'that'}"
    if match := re.match(r"invalid choice '(.*)' for argument '(.*?)'", said):
        name = match[2].split()[0].strip("'")
        if name in fields:
            return f"{name} is {kind(fields[name])}, not {match[1]!r}"
    if (match := re.match(r"Missing value for argument '(--[\w-]+)", said)) and match[1] in fields:
        return f"{match[1]} takes {kind(fields[match[1]])}, and nothing follows it"
    return f"{said} ({program} --help shows what there is)"


def flags(options: type) -> dict[str, Any]:
    """The flags that `parse` takes for a dataclass, nested ones included -> the type of each."""
    hints = typing.get_type_hints(options)
    found: dict[str, Any] = {}
    for field in dataclasses.fields(options):
        annotation = hints[field.name]
        if dataclasses.is_dataclass(annotation):
            found |= flags(typing.cast(type, annotation))
        else:
            found["--" + field.name.replace("_", "-")] = annotation
    return found


def kind(annotation: Any) -> str:
    """A type in words: an integer; linear or cosine; integers."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(map(str, inner))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(kind(part) for part in inner if part is not type(None))
    if origin in (tuple, list):
        return kind(inner[0]).removeprefix("an ").removeprefix("a ") + "s"
    return _KINDS.get(annotation, getattr(annotation, "__name__", str(annotation)))
