import socket
from pathlib import Path

import pytest

from flows.cli.checks import is_loopback, listen
from flows.cli.command import parse, run_command
from flows.serve.__main__ import run
from flows.serve.settings import TOKEN_VARIABLE, ServeSettings, token_for
from ncf.errors import ConfigError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_on_this_machine_no_token_is_needed_but_one_that_is_given_counts(host: str) -> None:
    assert is_loopback(host)
    assert token_for(host, {}) is None
    assert token_for(host, {TOKEN_VARIABLE: ""}) is None
    assert token_for(host, {TOKEN_VARIABLE: "abc"}) == "abc"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_where_others_reach_it_a_token_is(host: str) -> None:
    assert not is_loopback(host)
    assert token_for(host, {TOKEN_VARIABLE: "abc"}) == "abc"
    for environment in ({}, {TOKEN_VARIABLE: ""}):
        with pytest.raises(ConfigError, match=f"other machines can reach this address.*{TOKEN_VARIABLE}"):
            token_for(host, environment)


@pytest.mark.parametrize("token", ["a b", "é", "a\n", " "])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(ConfigError, match="can't be sent in a header") as caught:
        token_for("127.0.0.1", {TOKEN_VARIABLE: token})
    assert repr(token) not in str(caught.value), "it is not shown"


def test_a_host_without_an_address_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"the host has no address: 'nowhere\.invalid'"):
        is_loopback("nowhere.invalid")


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"can't listen on 127.0.0.1, port {port}: 'Address already in use'"):
            listen("127.0.0.1", port)


def test_the_socket_sends_small_answers_at_once() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP, "asyncio switches Nagle's algorithm off by this alone"


def test_every_setting_is_an_option() -> None:
    args = ["--dataset", "shop", "--refresh-seconds", "2", "--limits.max-k", "7", "--trusted-proxies", "10.0.0.1"]
    settings = parse(ServeSettings, args)
    assert (settings.model_name, settings.refresh_seconds, settings.limits.max_k) == ("ncf-shop", 2, 7)
    assert settings.trusted_proxies == ("10.0.0.1",)
    with pytest.raises(ConfigError, match="--refresh-seconds: got '0'"):
        parse(ServeSettings, ["--refresh-seconds", "0"])


def test_without_a_champion_or_a_token_it_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlruns' / 'mlflow.db'}")
    assert run_command(ServeSettings, run, ["--host", "0.0.0.0"]) == 2
    assert TOKEN_VARIABLE in capsys.readouterr().err
    assert not (tmp_path / "mlruns").exists(), "refused before any work"
    assert run_command(ServeSettings, run, ["--port", "0"]) == 1
    told = capsys.readouterr().err
    assert (
        "error: there is no champion of the registered model: 'ncf-ml-100k'; what to do: ncf retrain --dataset ml-100k"
        in told
    )
    assert "Traceback" not in told
