"""Credentials from Prefect's Secret blocks, which never appear in settings, runs or logs."""

from typing import cast

from prefect.blocks.system import Secret

from ncf.errors import ConfigError
from ncf.ingest.config import Database, SourceConfig


def database_url(source: SourceConfig | Database) -> str | None:
    """The URL in the Secret block that a database's settings name, or None without such a block.

    Raises:
        ConfigError: there is no such block, or it does not hold a URL.
    """
    if not isinstance(source, Database) or source.secret_block is None:
        return None
    return secret_url(source.secret_block)


def secret_url(block: str) -> str:
    """The database's URL in a Secret block.

    Raises:
        ConfigError: there is no such block, or it does not hold a URL.
    """
    make = (
        "python -c 'from prefect.blocks.system import Secret; Secret(value=\"postgresql://user:password@host:5432/"
        f'database").save("{block}", overwrite=True)\''
    )
    try:
        url = cast("Secret[str]", Secret.load(block)).get()
    except ValueError:
        url = None
    if isinstance(url, str) and url:
        return url
    raise ConfigError(
        "Prefect has no Secret block of this name with the URL of a database",
        got=block,
        do=f"create it: {make}",
    )
