"""`status`, `down` and `logs`."""

from pathlib import Path

from rich.console import Console

from flows.up.clients import remove_addresses
from flows.up.health import Health
from flows.up.leftovers import end, flow_runs, leftovers
from flows.up.passwords import read_passwords
from flows.up.programs import MLFLOW, PREFECT, TITLES, WORKER, present_environment
from flows.up.running import asks_for_passwords, running_settings
from flows.up.settings import DownSettings, LogsSettings, StatusSettings
from flows.up.stopped import end_flow_runs, report_stopped
from flows.up.supervisor import CONFIG, LOGS, Supervisor, tail
from ncf.errors import ConfigError


def status(settings: StatusSettings, console: Console) -> bool:
    """Say what runs and whether it is healthy. Returns whether everything is."""
    supervisor = Supervisor(settings.run_folder)
    if not supervisor.runs():
        console.print(f"Nothing runs in {settings.home}; make up starts it.", highlight=False, soft_wrap=True)
        return False
    running = running_settings(settings)
    health = Health(running, read_passwords(present_environment()))
    where = {MLFLOW: running.mlflow_url, PREFECT: running.prefect_url, WORKER: f"{running.runs} runs at a time"}
    healthy = []
    for name, state in sorted(supervisor.states().items(), key=lambda each: list(TITLES).index(each[0])):
        healthy.append(state["statename"] == "RUNNING" and health.check(name))
        word = "healthy" if healthy[-1] else "not healthy"
        what = f"{TITLES[name]:<15} {word:<12} {state['statename'].lower():<9} {state['description']:<32} {where[name]}"
        console.print(what, highlight=False, soft_wrap=True)
    if health.passwords is None and asks_for_passwords((supervisor.folder / CONFIG).read_text(encoding="utf-8")):
        console.print("The servers ask for passwords; without them the worker's health can't be known.")
    return all(healthy)


def down(settings: DownSettings, console: Console) -> None:
    """Stop flow runs, then the worker, then the servers.

    Flow runs are stopped first: they still reach the servers, and say there how they ended.

    Raises:
        ConfigError: the servers run, and the passwords are no good; nothing is stopped then.
        SupervisorError: the supervisor does not stop.
    """
    supervisor = Supervisor(settings.run_folder)
    running = supervisor.runs()
    passwords = read_passwords(present_environment()) if running else None
    runs = flow_runs(settings.run_folder)
    if runs:
        console.print(f"Stopping {len(runs)} processes of flow runs; what they finished is kept.", highlight=False)
    with console.status("stopping ..."):
        ended = end_flow_runs(settings.run_folder)
        if running:
            supervisor.stop_program(WORKER)
            ended |= end_flow_runs(settings.run_folder)  # what the worker started meanwhile
            report_stopped(running_settings(settings), passwords, ended)
            supervisor.stop()
        end(leftovers(settings.run_folder))
    remove_addresses(Path.cwd())
    console.print(f"Nothing runs in {settings.home} any more; its databases and files stay.", highlight=False)


def logs(settings: LogsSettings, console: Console) -> None:
    """Print the end of each log, or of one.

    Raises:
        ConfigError: there are none.
    """
    folder = settings.run_folder / LOGS
    names = [settings.program] if settings.program else [*TITLES, "supervisord"]
    found = {name: folder / f"{name}.log" for name in names if (folder / f"{name}.log").exists()}
    if not found:
        raise ConfigError("there is no log", got=str(folder), do="make up, or name its folder: --folder")
    for name, path in found.items():
        console.print(f"==> {name}: {path}", highlight=False, soft_wrap=True, markup=False)
        for line in tail(path, settings.lines):
            console.print(line, highlight=False, soft_wrap=True, markup=False)
