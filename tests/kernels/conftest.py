"""What the tests of several kernels share."""

import pytest

from tinygen.kernels.cpu import few, fusion


@pytest.fixture(scope="module", params=["few", "many"])
def entries(request):
    """Each kernel as for few entries, by a function of NumPy's, and as for many, by a launch: the shapes are small."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "many":
            patch.setattr(few, "one_goes_through", lambda a: False)
            patch.setattr(fusion, "_kind", lambda *form: "")
        fusion._planned.cache_clear()
        yield request.param
    fusion._planned.cache_clear()
