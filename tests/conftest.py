"""One Hypothesis profile for the whole suite: the same examples every time, no deadline on a shared machine.

What the tests put into the cache is the suite's own. Its processes share the cores: a thread that waits leaves its core
to another process at once (kernels/cpu/threads.py has it wait awake for a while, which takes the other's time).
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

os.environ |= {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}  # before OpenMP is loaded, here and in what is run

settings.register_profile(
    "tinygen",
    derandomize=True,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("tinygen")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder that the suite starts without and leaves nobody."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
