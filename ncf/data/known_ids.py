"""Ids that a user gives beside those that are known: how many match, and what the others were probably meant to be."""

import difflib
import logging
import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncf.data.columns import Ids
from ncf.errors import NCFError

SHOWN = 3  # unknown ids, and known ones, in a message
MOST_COMPARED = 20_000  # known ids that are compared letter by letter, which takes some tenths of a second
MOST_SCANNED = 2_000_000  # known ids that are compared in their plain form, which takes some seconds

log = logging.getLogger(__name__)


class KnownIds:
    """Ids that a user gives, matched with those of a model or a log.

    Args:
        given: ids of any type; what is not equal to a known id is unknown, whatever it looks like.
        known: the ids that can match, without repetitions.
        of: where these are from, for messages.
    """

    def __init__(self, given: Ids | Iterable[Any], known: Ids, of: str = "the model") -> None:
        self.given: pd.Index[Any] = pd.Index(given).unique()
        self.known, self.of = known, of
        self.is_known: NDArray[np.bool_] = self.given.isin(known)

    @property
    def enough(self) -> bool:
        """Whether at least half of the ids are known, and one at least."""
        return 0 < len(self.given) <= 2 * int(self.is_known.sum())

    @property
    def unknown(self) -> list[Any]:
        """The first unknown ids, as plain Python values; at most three."""
        return _first(self.given[~self.is_known])

    def counted(self) -> str:
        """How many are known, in words."""
        return f"{self.of} knows {int(self.is_known.sum()):,} of {len(self.given):,} ids"

    def examples(self) -> str:
        """Three known ids, as Python writes them."""
        return ", ".join(map(repr, _first(self.known)))

    def nearest(self, value: Any) -> Any | None:
        """The known id that a value was probably meant to be, or None.

        That is one which differs only in blanks and quotes around it, in upper and lower case, in leading zeros or in
        the `.0` of a spreadsheet; else the most similar one, in a catalogue that is small enough to be compared.
        """
        if len(self.known) > MOST_SCANNED:
            return None
        same = self._by_plain_form.get(plain_form(value))
        if same is not None or len(self.known) > MOST_COMPARED:
            return same
        texts = {str(one): one for one in _plain_values(self.known)}
        near = difflib.get_close_matches(str(value), texts, n=1, cutoff=0.75)
        return texts[near[0]] if near else None

    @cached_property
    def _by_plain_form(self) -> dict[str, Any]:
        return {plain_form(one): one for one in reversed(_plain_values(self.known))}

    def hints(self) -> str:
        """The nearest known ids of the unknown ones that are shown, in words; empty if none has any."""
        found = [(value, self.nearest(value)) for value in self.unknown]
        return ", ".join(f"{near!r} for {value!r}" for value, near in found if near is not None)

    def check(self, name: str, error: type[NCFError], *, allow: bool, switch: str, check: str = "") -> None:
        """Log how many are known; refuse a list of which fewer than half, or none, are.

        Args:
            name: what the user gave, in words.
            error: what to raise.
            allow: take such a list all the same.
            switch: what allows it; empty if nothing does.
            check: what else may be wrong, in words.

        Raises:
            NCFError: of the type `error`.
        """
        hints = self.hints()
        nearest = f"the nearest known ids are {hints}" if hints else ""
        if self.enough or allow:
            if self.is_known.all():
                log.info("%s: %s", name, self.counted())
                return
            shown = ", ".join(map(repr, self.unknown))
            log.warning("%s: %s; unknown: %s%s", name, self.counted(), shown, f" ({nearest})" if nearest else "")
            return
        raise error(
            f"{name}: {self.counted()}; unknown are",
            got=self.unknown,
            allowed=f"at least half of the list; known ids are {self.examples()}",
            do="; ".join(filter(None, (nearest, check, f"to take the list as it is: {switch}" if switch else ""))),
        )


def plain_form(value: Any) -> str:
    """What a value is without the ways in which spreadsheets, exports and people change ids."""
    text = unicodedata.normalize("NFKC", str(value)).casefold()
    text = re.sub(r"^\W+|\W+$", "", text) or text
    text = re.sub(r"(?<=[0-9])[.,]0+$", "", text)
    return re.sub(r"^0+(?=[0-9])", "", text)


def _first(ids: Any) -> list[Any]:
    return _plain_values(ids[:SHOWN])


def _plain_values(ids: Any) -> list[Any]:
    """Python's own integers and text, as a user writes them; UUIDs as text."""
    return [str(value) if isinstance(value, UUID) else value for value in pd.Index(ids).tolist()]
