"""Where data files lie: the folder named by TINYGEN_DATA first, then the cache, which downloads fill.

TINYGEN_DATA    a folder of yours: subfolders `mnist/` and `fashion_mnist/`, or the IDX files themselves
TINYGEN_CACHE   the cache, in place of the platform's (on Linux that of the XDG Base Directory Specification)
"""

import os
import sys
from pathlib import Path

from tinygen.data.errors import DataError


def cache_folder() -> Path:
    """The folder that downloads go to; it need not exist yet."""
    chosen = os.environ.get("TINYGEN_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tinygen"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "tinygen" / "Cache"
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    # The specification tells programs to ignore a relative path here.
    return (Path(xdg) if os.path.isabs(xdg) else Path.home() / ".cache") / "tinygen"


def user_folder() -> Path | None:
    """The folder named by TINYGEN_DATA, or None. Raises `DataError` if it is set and is no folder."""
    chosen = os.environ.get("TINYGEN_DATA")
    if not chosen:
        return None
    folder = Path(chosen).expanduser()
    if not folder.is_dir():
        raise DataError(f"TINYGEN_DATA={chosen}: no such folder; name an existing one, or unset the variable")
    return folder
