"""The commands of ncf: how each is started, and the settings that it reads."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.backtest.settings import BacktestSettings
from flows.backup import __main__ as backup
from flows.backup.copy import BackupSettings, RestoreSettings
from flows.cli.command import parse_command
from flows.monitor.settings import MonitorSettings
from flows.prepare.settings import DataSettings
from flows.recommend.settings import RecommendSettings
from flows.registry.settings import LogSettings, PromoteSettings, RegistrySettings, RollbackSettings
from flows.retrain.settings import RetrainSettings
from flows.serve.settings import ServeSettings
from flows.tune.settings import TuneSettings
from flows.up import __main__ as up
from flows.up.settings import DownSettings, LogsSettings, StatusSettings, UpSettings
from ncf.config import Settings


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        name: as its heading.
        line: what a user types.
        module: what Python runs.
        words: arguments that come first: the subcommand, or none.
        settings: what its options are.
        root: settings of the module: those of the options, or the subcommands.
    """

    name: str
    line: str
    module: str
    words: tuple[str, ...]
    settings: type[Settings]
    root: type[Settings]

    def read(self, args: Sequence[str]) -> Settings:
        """Settings from the arguments after the module, as the command reads them."""
        return parse_command(self.root, args)


def _flow(name: str, settings: type[Settings]) -> Command:
    return Command(name, f"make {name}", f"flows.{name}", (), settings, settings)


def _up(name: str, settings: type[Settings]) -> Command:
    return Command(name, f"make {name}", "flows.up", (name,), settings, up.Command)


def _backup(name: str, settings: type[Settings]) -> Command:
    return Command(name, f"make {name}", "flows.backup", (name,), settings, backup.Command)


def _registry(name: str, settings: type[Settings]) -> Command:
    line = "make rollback" if name == "rollback" else f"python -m flows.registry {name}"
    heading = name if name == "rollback" else f"registry {name}"
    return Command(heading, line, "flows.registry", (name,), settings, RegistrySettings)


COMMANDS = (
    _flow("prepare", DataSettings),
    _flow("retrain", RetrainSettings),
    _flow("tune", TuneSettings),
    _flow("backtest", BacktestSettings),
    _flow("monitor", MonitorSettings),
    _flow("recommend", RecommendSettings),
    _flow("serve", ServeSettings),
    _registry("rollback", RollbackSettings),
    _registry("promote", PromoteSettings),
    _registry("log", LogSettings),
    _up("up", UpSettings),
    _up("status", StatusSettings),
    _up("down", DownSettings),
    _up("logs", LogsSettings),
    _backup("backup", BackupSettings),
    _backup("restore", RestoreSettings),
)
