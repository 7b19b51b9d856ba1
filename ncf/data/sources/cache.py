"""Where downloads and prepared data are kept, outside the repository."""

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "NCF_CACHE_DIR"


def cache_dir() -> Path:
    """Folder for downloads and prepared data: $NCF_CACHE_DIR, or the system's place for caches."""
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("ncf")).expanduser().absolute()
