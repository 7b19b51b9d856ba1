"""The subcommands: start everything and wait until it is healthy, show how it is, stop it, print its logs."""

import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from flows.cli.checks import is_loopback
from flows.tracking.locations import forget_folders
from flows.up.passwords import Passwords, read_passwords, require_passwords
from flows.up.processes import check_ports, end, end_flow_runs, flow_runs, leftovers, report_ended
from flows.up.programs import (
    ACCOUNTS,
    AUTH_FILE,
    MLFLOW,
    PREFECT,
    TITLES,
    WORKER,
    auth_file,
    environment,
    present_environment,
    programs,
)
from flows.up.settings import (
    SETTINGS,
    DownSettings,
    LogsSettings,
    StatusSettings,
    UpSettings,
    remove_addresses,
    running_settings,
    write_addresses,
)
from flows.up.supervisor import (
    CONFIG,
    LOGS,
    Health,
    Supervisor,
    SupervisorError,
    asks_for_passwords,
    check_paths,
    configuration,
    tail,
)
from ncf.errors import ConfigError

POLL_SECONDS = 0.5  # between two health checks
TAIL = 15  # last lines of a log that an error shows


def up(settings: UpSettings, console: Console) -> None:
    """Start what does not run, wait until it is healthy, and print where it is.

    Raises:
        ConfigError: the address, a port or a password can't be used, or the servers run with other settings.
        SupervisorError: something does not become healthy.
    """
    passwords = read_passwords(present_environment())
    require_passwords(passwords, settings.host, is_loopback(settings.host))
    if not is_loopback(settings.host) and not settings.mlflow_names:
        raise ConfigError(
            "other machines can reach this address, and MLflow refuses requests by names that it does not know",
            got=settings.host,
            do="name them: --mlflow-names",
        )
    check_paths(settings.run_folder, Path.cwd())
    variables = environment(settings, passwords, present_environment())
    supervisor = Supervisor(settings.run_folder)
    start(supervisor, settings, passwords, variables, console)
    health = Health(settings, passwords)
    for name in (MLFLOW, PREFECT):
        supervisor.start_program(name)
        wait(supervisor, health, name, console)
        health.check_passwords(name)
    set_up(variables, console)
    supervisor.start_program(WORKER)
    wait(supervisor, health, WORKER, console)
    exports = write_addresses(settings, Path.cwd())
    console.print(f"\nPrefect: {settings.prefect_url}\nMLflow:  {settings.mlflow_url}")
    console.print(f"Passwords: {'required' if passwords else 'none; only this machine can connect'}\n")
    retrain = "  .venv/bin/prefect deployment run retrain/ml-100k --watch"
    console.print("To retrain now, run in this folder:", *exports, retrain, sep="\n")


def start(
    supervisor: Supervisor,
    settings: UpSettings,
    passwords: Passwords | None,
    variables: Mapping[str, str],
    console: Console,
) -> None:
    """Start the supervisor, unless it runs with these settings.

    Raises:
        ConfigError: it runs with others.
    """
    wanted = configuration(supervisor.folder, programs(settings, passwords is not None), Path.cwd())
    kept = supervisor.folder / CONFIG
    if supervisor.runs():
        present = kept.read_text(encoding="utf-8")
        if present != wanted:
            with_or_without = "with" if asks_for_passwords(present) else "without"
            raise ConfigError(
                "the servers of this folder run with other settings",
                got=f"{running_settings(settings).model_dump_json()}, {with_or_without} passwords",
                do="use those settings, or stop the servers first: make down, then make up",
            )
        return
    check_ports(settings)
    for folder in (supervisor.folder / LOGS, settings.home / "prefect", settings.home / "artifacts"):
        folder.mkdir(parents=True, exist_ok=True)
    supervisor.folder.chmod(0o700)  # nobody else may read the logs
    kept.write_text(wanted, encoding="utf-8")
    (supervisor.folder / AUTH_FILE).write_text(auth_file(settings), encoding="utf-8")
    (supervisor.folder / SETTINGS).write_text(settings.model_dump_json() + "\n", encoding="utf-8")
    if passwords:
        (settings.home / ACCOUNTS).touch(mode=0o600)  # it has hashes, and MLflow's own would be readable by all
    if not settings.database.exists():
        from flows.tracking.store import connect  # late: with MLflow it takes seconds

        connect(f"sqlite:///{settings.database}")  # even after a kill it is there whole or not at all
    forget_folders(settings.database)
    console.print(f"Starting in {settings.home}")
    end(leftovers(supervisor.folder))
    supervisor.start({**variables, **(passwords.for_servers(secrets.token_hex(32)) if passwords else {})})


def wait(supervisor: Supervisor, health: Health, name: str, console: Console) -> None:
    """Wait until a program is healthy, with a spinner on the terminal.

    Raises:
        SupervisorError: it takes too long, or the supervisor gave it up; the message has the end of its log.
    """
    began = time.monotonic()
    with console.status(f"{TITLES[name]} ..."):
        while not health.check(name) or supervisor.states()[name]["statename"] != "RUNNING":
            state = supervisor.states()[name]
            seconds = time.monotonic() - began
            if state["statename"] == "FATAL" or seconds > health.settings.wait_seconds:
                log = supervisor.folder / LOGS / f"{name}.log"
                raise SupervisorError(
                    f"the {TITLES[name]} is not healthy after {seconds:.0f} seconds; its log ends:\n"
                    + "\n".join(tail(log, TAIL))
                    + f"\n{TITLES[name]}",
                    got=state["spawnerr"] or state["statename"],
                    do=f"see {log}; the same command continues from there",
                )
            time.sleep(POLL_SECONDS)
    console.print(f"  {TITLES[name]:<15} healthy  ({time.monotonic() - began:.0f} s)")


def set_up(variables: Mapping[str, str], console: Console) -> None:
    """Create or update work pool, locks, deployments and automations, in a process with the servers' addresses.

    Raises:
        SupervisorError: the server refuses them.
    """
    began = time.monotonic()
    command = [sys.executable, "-m", "flows.up.set_up"]
    with console.status("deployments ..."):
        done = subprocess.run(command, env=dict(variables), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SupervisorError("the Prefect server could not be set up", got=(done.stderr + done.stdout).strip()[-2000:])
    console.print(f"  {'deployments':<15} ready    ({time.monotonic() - began:.0f} s)")


def status(settings: StatusSettings, console: Console) -> bool:
    """Print what runs and whether it is healthy. Returns whether everything is."""
    supervisor = Supervisor(settings.run_folder)
    if not supervisor.runs():
        console.print(f"Nothing runs in {settings.home}. To start: make up")
        return False
    running = running_settings(settings)
    health = Health(running, read_passwords(present_environment()))
    locations = {MLFLOW: running.mlflow_url, PREFECT: running.prefect_url, WORKER: f"{running.runs} runs at a time"}
    healthy = []
    for name, state in sorted(supervisor.states().items(), key=lambda each: list(TITLES).index(each[0])):
        healthy.append(state["statename"] == "RUNNING" and health.check(name))
        health_text = "healthy" if healthy[-1] else "not healthy"
        line = f"{TITLES[name]:<15} {health_text:<12} {state['statename'].lower():<9} {state['description']:<32} "
        console.print(line + locations[name])
    if health.passwords is None and asks_for_passwords((supervisor.folder / CONFIG).read_text(encoding="utf-8")):
        console.print("The servers require passwords, and none are set: the health of the worker is unknown.")
    return all(healthy)


def down(settings: DownSettings, console: Console) -> None:
    """Stop flow runs, then the worker, then the servers.

    Flow runs are stopped first, while they can still report their end to the servers.

    Raises:
        ConfigError: the servers run, and the passwords can't be used; nothing is stopped.
        SupervisorError: the supervisor does not stop.
    """
    supervisor = Supervisor(settings.run_folder)
    running = supervisor.runs()
    passwords = read_passwords(present_environment()) if running else None
    runs = flow_runs(settings.run_folder)
    if runs:
        console.print(f"Stopping {len(runs)} processes of flow runs; what they have finished is kept.")
    with console.status("stopping ..."):
        ended = end_flow_runs(settings.run_folder)
        if running:
            supervisor.stop_program(WORKER)
            ended |= end_flow_runs(settings.run_folder)  # what the worker started meanwhile
            report_ended(running_settings(settings), passwords, ended)
            supervisor.stop()
        end(leftovers(settings.run_folder))
    remove_addresses(Path.cwd())
    console.print(f"Everything in {settings.home} is stopped; its databases and files stay.")


def logs(settings: LogsSettings, console: Console) -> None:
    """Print the end of each log, or of one.

    Raises:
        ConfigError: there are none.
    """
    folder = settings.run_folder / LOGS
    names = [settings.program] if settings.program else [*TITLES, "supervisord"]
    found = {name: folder / f"{name}.log" for name in names if (folder / f"{name}.log").exists()}
    if not found:
        raise ConfigError("there is no log", got=str(folder), do="make up, or name the folder: --folder")
    for name, path in found.items():
        console.print(f"==> {name}: {path}", markup=False)
        for line in tail(path, settings.lines):
            console.print(line, markup=False)
