"""From a text to a function: for what is written out for each operation, how it is called (call.py) and how its
gradients are pulled back (pull.py)."""

import linecache
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any


@cache
def _compiled(source: str, file: str) -> CodeType:
    made = Path(file).parent / str(len(linecache.cache)) / Path(file).name  # where tracebacks are told that it stands
    linecache.cache[str(made)] = (len(source), None, source.splitlines(True), str(made))
    found: dict[str, Any] = {}
    exec(compile(source, str(made), "exec"), found)
    return found.popitem()[1].__code__


def function(
    source: str,
    file: str,
    name: str,
    scope: dict[str, Any],
    arguments: tuple[str, ...] = (),
    defaults: tuple[Any, ...] = (),
) -> Any:
    """The function whose text is `source`, written by the module in `file`.

    Args:
        name: how tracebacks call it.
        scope: what its names stand for.
        arguments: the names of its first ones, in place of those in the text; so one text serves several functions.
        defaults: of its last arguments.
    """
    code = _compiled(source, file)
    code = code.replace(co_name=name, co_qualname=name, co_varnames=(*arguments, *code.co_varnames[len(arguments) :]))
    return FunctionType(code, scope, name, defaults)
