"""Passwords: the clients' own variables turn them on, so whoever starts the servers can also use them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ncf.errors import ConfigError

PREFECT = "PREFECT_API_AUTH_STRING"
MLFLOW_USER, MLFLOW_PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
SHORTEST = 12  # characters; MLflow refuses shorter passwords, and Prefect's should be no weaker
MAKE = (
    f"export {PREFECT}=ncf:PASSWORD {MLFLOW_USER}=ncf {MLFLOW_PASSWORD}=PASSWORD; "
    "python -c 'import secrets; print(secrets.token_urlsafe(24))' makes one"
)


@dataclass(frozen=True)
class Passwords:
    """The accounts of the two servers, as (user, password); never printed.

    Attributes:
        prefect: the one account that Prefect's server has.
        mlflow: the administrator of MLflow's server.
    """

    prefect: tuple[str, str] = field(repr=False)
    mlflow: tuple[str, str] = field(repr=False)

    def for_servers(self, secret_key: str) -> dict[str, str]:
        """Environment variables of the servers, with a key that signs MLflow's forms.

        Passwords are never in a file or on a command line.
        """
        return {
            "PREFECT_SERVER_API_AUTH_STRING": ":".join(self.prefect),
            "MLFLOW_AUTH_ADMIN_USERNAME": self.mlflow[0],
            "MLFLOW_AUTH_ADMIN_PASSWORD": self.mlflow[1],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secret_key,
        }

    def for_clients(self) -> dict[str, str]:
        """Environment variables of everything that talks to the servers."""
        return {PREFECT: ":".join(self.prefect), MLFLOW_USER: self.mlflow[0], MLFLOW_PASSWORD: self.mlflow[1]}


def read_passwords(environment: Mapping[str, str]) -> Passwords | None:
    """The accounts in the environment, or None if there are none.

    Raises:
        ConfigError: only one server would have a password, or a password can't be used.
    """
    given = {name: environment.get(name, "") for name in (PREFECT, MLFLOW_USER, MLFLOW_PASSWORD)}
    if not any(given.values()):
        return None
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise ConfigError(
            f"one server would have a password and the other none; not set: {', '.join(missing)}",
            allowed="all three of them, or none",
            do=MAKE,
        )
    user, _, password = given[PREFECT].partition(":")
    for name, value in ((PREFECT, password if user else ""), (MLFLOW_PASSWORD, given[MLFLOW_PASSWORD])):
        if len(value) < SHORTEST or not value.isascii() or not value.isprintable():
            raise ConfigError(
                f"${name} can't be used",  # without the value, which is secret
                allowed=f"{'user:password with' if name == PREFECT else ''} at least {SHORTEST} visible ASCII "
                "characters in the password".strip(),
                do=MAKE,
            )
    return Passwords((user, password), (given[MLFLOW_USER], given[MLFLOW_PASSWORD]))


def require_passwords(passwords: Passwords | None, host: str, loopback: bool) -> None:
    """Check that other machines can't connect without a password.

    Raises:
        ConfigError: other machines can reach the address, and there are no passwords.
    """
    if passwords is None and not loopback:
        raise ConfigError(
            "other machines can reach this address, and there are no passwords",
            got=host,
            allowed="127.0.0.1, ::1 or localhost without passwords",
            do=MAKE,
        )
