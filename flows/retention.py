"""Which versions keep their weights."""

from flows.promotion import previous_champion, reconcile
from flows.registered import Registry, locked
from flows.weights import REMOVED, STATE, remove_weights


def remove_old_weights(registry: Registry, keep: int) -> list[int]:
    """Remove the weights of versions beyond the newest, but never of one that serves, may serve again, or has an alias.

    Args:
        registry: the registered model.
        keep: newest versions that keep theirs.

    Returns:
        The versions that lost theirs now; those that an interrupted removal had begun with among them.

    Raises:
        LockError: another process holds the registered model's lock too long.
    """
    with locked(registry):
        champions = {registry.champion(), previous_champion(registry, reconcile(registry))}
        aliased = {int(version) for version in registry.client.get_registered_model(registry.name).aliases.values()}
        versions = registry.client.search_model_versions(f"name = '{registry.name}'")
        newest_first = sorted(versions, key=lambda version: int(version.version), reverse=True)
        removed = []
        for version in newest_first[keep:]:
            number = int(version.version)
            if number in champions | aliased or version.tags.get(STATE) == REMOVED:
                continue
            remove_weights(registry.client, registry.uri, version)
            removed.append(number)
        return removed
