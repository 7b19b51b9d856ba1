"""The command `ncf`, for use without the Makefile: `ncf retrain --seed 1` is `python -m flows.retrain --seed 1`."""

import runpy
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

MODULES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "prepare": ("flows.prepare", "read and check a log, and report what is in it"),
        "retrain": ("flows.retrain", "data -> four models -> comparison -> champion -> recommendations"),
        "tune": ("flows.tune", "search better settings for retrain"),
        "monitor": ("flows.monitor", "report what has changed in the data since the champion was trained"),
        "backtest": ("flows.backtest", "replay the log: what is gained by retraining weekly, monthly or never?"),
        "recommend": ("flows.recommend", "write the champion's recommendations into a file or a table"),
        "serve": ("flows.serve", "answer HTTP requests with the champion"),
        "registry": ("flows.registry", "promote, roll back, and show the promotion log"),
        "backup": ("flows.backup", "copy databases and files, and restore them"),
    }
)
EXIT_USAGE = 2


def main(args: Sequence[str] | None = None) -> int:
    """Run a command with its options; `ncf NAME --help` prints them. Returns the exit code."""
    name, *options = (sys.argv[1:] if args is None else list(args)) or ["--help"]
    if name in ("-h", "--help"):
        sys.stdout.write(_usage())
        return 0
    if name not in MODULES:
        sys.stderr.write(f"error: unknown command: {name!r}; allowed: {', '.join(MODULES)}\n")
        return EXIT_USAGE
    sys.argv = [f"ncf {name}", *options]
    runpy.run_module(MODULES[name][0], run_name="__main__", alter_sys=True)  # which exits
    return 0


def _usage() -> str:
    lines = [f"  {name:<12}{what}" for name, (_, what) in MODULES.items()]
    return "\n".join(["usage: ncf COMMAND [options]; ncf COMMAND --help lists them", "", *lines, ""])
