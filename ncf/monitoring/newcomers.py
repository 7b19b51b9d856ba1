"""Who and what a model does not know."""

import numpy as np
from pydantic import BaseModel

from ncf.monitoring.arrived import Arrived


class Newcomers(BaseModel):
    """New users and items, and how much of what is new they make up.

    Attributes:
        users, items: that the model does not know.
        user_share: of the new interactions, those of unknown users, who get popular items.
        item_share: of the new interactions, those with unknown items, which are never recommended.
        either_share: of the new interactions, those with an unknown user or item, of which the model can say nothing.
    """

    users: int
    items: int
    user_share: float
    item_share: float
    either_share: float


def newcomers(arrived: Arrived) -> Newcomers:
    """Count them; the shares are 0 where nothing is new."""
    user, item = arrived.users >= arrived.num_users, arrived.items >= arrived.num_items
    shares = [np.count_nonzero(new) / max(1, len(arrived)) for new in (user, item, user | item)]
    return Newcomers(
        users=arrived.new_users,
        items=arrived.new_items,
        user_share=shares[0],
        item_share=shares[1],
        either_share=shares[2],
    )
