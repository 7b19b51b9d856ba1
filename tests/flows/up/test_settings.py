from pathlib import Path

import pytest

from flows.cli.command import parse_command
from flows.up.__main__ import Command
from flows.up.passwords import MLFLOW_PASSWORD, PREFECT, Passwords, read_passwords, require_passwords
from flows.up.settings import LogsSettings, UpSettings
from ncf.errors import ConfigError
from tests.flows.up.example_passwords import PASSWORDS


def test_the_command_line_gives_the_settings_of_its_subcommand() -> None:
    options = ["up", "--mlflow-port", "5001", "--folder", "/srv/ncf", "--mlflow-names", "box,box.example"]
    assert parse_command(Command, options) == UpSettings(
        mlflow_port=5001, folder=Path("/srv/ncf"), mlflow_names=("box", "box.example")
    )
    assert parse_command(Command, ["logs", "--program", "worker"]) == LogsSettings(program="worker")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], ["there is no subcommand", "up, status, down, logs"]),
        (["up", "--mlflow-prot", "5001"], ["--mlflow-prot"]),
        (["up", "--mlflow-port", "70000"], ["--mlflow-port", "'70000'", "65535"]),
        (["up", "--mlflow-port", "4200"], ["two ports", "4200"]),
        (["up", "--runs", "0"], ["--runs", "'0'"]),
        (["logs", "--program", "postgres"], ["--program", "'postgres'", "worker"]),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(options: list[str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        parse_command(Command, options)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:4200"),
        ("0.0.0.0", "http://127.0.0.1:4200"),
        ("::", "http://[::1]:4200"),
        ("box.example", "http://box.example:4200"),
    ],
)
def test_this_machine_reaches_a_server_that_listens_everywhere_by_its_own_address(host: str, url: str) -> None:
    assert UpSettings(host=host).prefect_url == url


def test_passwords_come_from_the_clients_own_variables() -> None:
    passwords = read_passwords(PASSWORDS)
    assert passwords == Passwords(("ncf", "s3cr%t:/p@ss-word"), ("ann", "long enough 'quoted'"))
    assert passwords is not None and passwords.for_clients() == PASSWORDS
    servers = passwords.for_servers("key")
    assert servers["PREFECT_SERVER_API_AUTH_STRING"] == PASSWORDS[PREFECT]
    assert servers["MLFLOW_AUTH_ADMIN_PASSWORD"] == PASSWORDS[MLFLOW_PASSWORD]
    assert read_passwords({}) is None


def test_passwords_are_not_shown() -> None:
    assert "s3cr" not in repr(read_passwords(PASSWORDS)) and "quoted" not in repr(read_passwords(PASSWORDS))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({MLFLOW_PASSWORD: ""}, ["not set: MLFLOW_TRACKING_PASSWORD", "all three"]),
        ({PREFECT: "ncf-without-a-colon"}, ["$PREFECT_API_AUTH_STRING", "user:password"]),
        ({PREFECT: "ncf:short"}, ["$PREFECT_API_AUTH_STRING", "12"]),
        ({PREFECT: ":nobody-has-this-one"}, ["$PREFECT_API_AUTH_STRING"]),
        ({MLFLOW_PASSWORD: "short"}, ["$MLFLOW_TRACKING_PASSWORD", "12"]),
        ({MLFLOW_PASSWORD: "pässwörter-gehen-nicht"}, ["$MLFLOW_TRACKING_PASSWORD", "ASCII"]),
    ],
)
def test_half_a_protection_and_bad_passwords_are_refused(change: dict[str, str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        read_passwords(PASSWORDS | change)
    for word in words:
        assert word in str(error.value)
    assert all(value not in str(error.value) for value in change.values() if value), "a password is shown"


def test_without_passwords_other_machines_are_not_let_in() -> None:
    require_passwords(None, "127.0.0.1", loopback=True)
    require_passwords(read_passwords(PASSWORDS), "0.0.0.0", loopback=False)
    with pytest.raises(ConfigError, match=r"'0\.0\.0\.0'.*export PREFECT_API_AUTH_STRING"):
        require_passwords(None, "0.0.0.0", loopback=False)
