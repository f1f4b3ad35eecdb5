"""The model of NumPy alone stands in the registry, as `mean`."""

import fake_model
import pytest


@pytest.fixture(autouse=True)
def mean_model() -> None:
    fake_model.register()
