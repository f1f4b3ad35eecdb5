"""What a rank other than the first does of a run: the same steps, and no records."""

from collections.abc import Mapping
from typing import Any

from tinygen.training.loop import Run
from tinygen.training.stop import Stop


class Follower(Run):
    """A run whose directory is the first rank's affair."""

    def log(self) -> Any:
        """A log that forgets."""
        return _NoLog()

    def save(self, log: Any) -> None:
        """Waits until the first rank has written its checkpoint."""
        self.saved_now()

    def draw(self, stop: Stop) -> float:
        """Nothing."""
        return 0.0

    def conclude(self, stop: Stop) -> None:
        """Nothing."""


class _NoLog:
    def append(self, record: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...
