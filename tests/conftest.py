"""One Hypothesis profile for the whole suite: the same examples every time, no deadline on a shared machine.

What the tests put into the cache is the suite's own.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

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
