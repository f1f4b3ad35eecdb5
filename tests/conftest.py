"""One Hypothesis profile for the whole suite: the same examples every time, no deadline on a shared machine."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "tinygen",
    derandomize=True,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("tinygen")
