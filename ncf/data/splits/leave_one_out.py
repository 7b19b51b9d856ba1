"""Each user's newest interactions are held out (He et al., WWW 2017, section 4.1)."""

from ncf.data.interactions import Interactions
from ncf.data.split import Split
from ncf.data.splits.masks import divided, last_of_each_user, with_enough


def leave_one_out(interactions: Interactions) -> Split:
    """Hold out each user's newest interaction as test and the one before it as validation.

    Users with fewer than 3 interactions stay in train only. Without times, what comes later in the log is the newer.

    Raises:
        DataError: no user has enough interactions, so that nothing could be evaluated.
    """
    enough = with_enough(interactions)
    test = last_of_each_user(interactions.users, enough)
    validation = last_of_each_user(interactions.users, enough & ~test)
    return divided(interactions, ~(test | validation), validation, test)
