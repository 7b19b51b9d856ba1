"""Logs that are right row by row, and yet nothing can be learned from."""

from ncf.data.interactions import Interactions
from ncf.data.ratings import ITEM_ID, USER_ID
from ncf.errors import DataError


def refuse_unusable(interactions: Interactions) -> None:
    """Refuse a log with one user, one item, or nothing unobserved.

    Args:
        interactions: one for each pair that was kept.

    Raises:
        DataError: nothing could be told apart, or no unobserved pair is left to learn and to rank with.
    """
    users, items = len(interactions.user_ids), len(interactions.item_ids)
    if users == items == 1:
        pair = {USER_ID: _plain(interactions.user_ids[0]), ITEM_ID: _plain(interactions.item_ids[0])}
        raise DataError("all rows are the same pair", got=pair, allowed="at least 2 users and 2 items", do=_do("rows"))
    for what, ids in (("user", interactions.user_ids), ("item", interactions.item_ids)):
        if len(ids) == 1:
            raise DataError(
                f"all rows are of one {what}", got=_plain(ids[0]), allowed=f"at least 2 {what}s", do=_do(f"{what}s")
            )
    if len(interactions.users) >= users * items:
        raise DataError(
            "every user has every item, so no unobserved pair is left to learn from and to rank with; users and items",
            got=(users, items),
            allowed="at least one pair that did not happen",
            do="use a log with more items; for ratings of everything, set data.feedback.threshold to what counts as "
            "liked",
        )


def _plain(value: object) -> object:
    item = getattr(value, "item", None)
    return item() if callable(item) else value


def _do(what: str) -> str:
    return f"check that the right columns are read, and that filters (data.filters) leave more {what}"
