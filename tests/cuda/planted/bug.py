"""What a planted mistake is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """`old`, which occurs once in `file`, becomes `new`; the exercise of `module` says something like `sign`."""

    mistake: str
    file: str
    old: str
    new: str
    module: str
    sign: str
