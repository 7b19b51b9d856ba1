"""How often a client may ask: a token bucket each, in bounded memory."""

from collections import OrderedDict

MOST_CLIENTS = 10_000  # remembered; the one that was away longest is forgotten first


class Rates:
    """Counts requests by client.

    Args:
        per_second: requests a second; one second's worth, but at least one, may come at once.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second, self._most = per_second, max(1.0, per_second)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client -> (requests left, at this time)

    def wait(self, client: str, now: float) -> float:
        """Seconds that this client's request comes too early; 0 lets it pass and counts it.

        Args:
            client: whatever tells clients apart.
            now: seconds of a clock that only goes forward.
        """
        left, since = self._left.pop(client, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        passes = left >= 1
        self._left[client] = (left - 1 if passes else left, now)
        if len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if passes else (1 - left) / self._per_second
