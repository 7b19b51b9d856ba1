"""What can go wrong, in words a user can act on."""

import numpy as np


class NCFError(Exception):
    """An error that the user can fix.

    Args:
        what: what was wrong.
        got: the value that was found; left out of the message when None.
        allowed: what would have been right.
        do: the next step for the user.

    Attributes:
        what, got, allowed, do: as given, `got` as a plain Python value.
    """

    def __init__(self, what: str, *, got: object = None, allowed: str = "", do: str = "") -> None:
        plain = got.item() if isinstance(got, np.generic) else got  # repr would say np.float64(nan)
        self.what, self.got, self.allowed, self.do = what, plain, allowed, do
        parts = [what if got is None else f"{what}: {plain!r}"]
        if allowed:
            parts.append(f"allowed: {allowed}")
        if do:
            parts.append(f"what to do: {do}")
        super().__init__("; ".join(parts))


class ConfigError(NCFError):
    """A setting is unknown, impossible, or contradicts another."""


class DataError(NCFError):
    """The interaction log, or a file made from it, is missing or wrong."""


class ModelError(NCFError):
    """A model, its scores or its saved form is unusable."""
