"""Gradients that nobody else has: what is made of one may be written over it.

A large array that is written anew is first fetched from memory, line by line, for nothing; and both live at once. So an
operation that says so (`overwrites`, see `operation`) is offered the cotangent it is handed, where only the sweep of
backward.py has it, and a gradient that arrives a second time is added to the first in its place.

An operation that takes a part of an array (`takes_part`) is offered the gradient that other parts have left there so
far, to add to it what is the part's: otherwise each of many pieces would bring zeros for all of the array.

An array is nobody else's if Python counts no other reference to it; and, if it is a view, it shows all of an array
that nothing else refers to: kernels hand images on as views of memory in which the channels come last.
Held by tests/autodiff/test_room.py.
"""

from sys import getrefcount
from typing import Any

from numpy import empty, ndarray

from tinygen.autodiff.tape import mode


def alone(array: Any, holders: int) -> bool:
    """Whether nobody has `array`, or the memory it shows, but `holders` variables and containers of the caller."""
    if type(array) is not ndarray or getrefcount(array) > holders + _OF_CALL:
        return False
    base = array.base
    if base is None:
        return True
    whole = type(base) is ndarray and base.base is None and base.size == array.size and array.flags.writeable
    return whole and getrefcount(base) <= _OF_BASE


def offer(g: Any) -> None:
    """Before a vjp runs: it may write over `g`, the cotangent it is handed, in place of whatever was offered before."""
    mode.room = g


def room(g: Any) -> Any:
    """The array of the cotangent `g`, if the vjp that asks may write over it; None if others have it too."""
    offered, mode.room = mode.room, None
    return offered if offered is g else None


def offer_sum(g: Any, held: Any) -> None:
    """Before the vjp of a part's cotangent `g` runs: it may add to `held`, the gradient of the whole so far."""
    mode.sum = g, held


def sum_beside(g: Any) -> Any:
    """The gradient of the whole that the vjp of `g`, a part's, may add to, and then give None; None if it must not."""
    (of, held), mode.sum = mode.sum, (None, None)
    return held if of is g else None


def _references() -> tuple[int, int]:
    """What `alone` counts for a view and for its base, of which one variable of the caller is all there is: versions
    of Python differ."""

    def counted(array: Any) -> tuple[int, int]:
        base = array.base
        return getrefcount(array), getrefcount(base)

    view = empty(2)[:]
    of_view, of_base = counted(view)
    return of_view - 1, of_base


_OF_CALL, _OF_BASE = _references()
