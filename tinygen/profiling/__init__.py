"""Where the time of a training step goes: by operation and by module, beside what the machine can do at most.

    watch.py       what is measured, and how: nothing of the engine is changed unless a profile runs
    cost.py        the FLOP and the bytes of every operation, by formulas, in one table
    ceilings.py    the two rates that no operation exceeds: copying and multiplying matrices, measured
    profile.py     `tg.profile`, and the sums
    report.py      the tables for the terminal, and JSON
    timeline.py    the picture of a step

docs/profile.md shows how to find a bottleneck. Held by tests/profiling/.
"""

from tinygen.profiling.profile import Profile, profile

__all__ = ["Profile", "profile"]
