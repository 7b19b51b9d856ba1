"""Whether the servers can listen where they are told to."""

from flows.up.leftovers import leftovers, listener
from flows.up.settings import UpSettings
from ncf.errors import ConfigError


def check_ports(settings: UpSettings) -> None:
    """Make sure that each port is free, or is held by a server of an earlier start, which ends before its successor.

    Raises:
        ConfigError: another process has it, or the address is not this machine's.
    """
    from flows.serve import listen  # late: with MLflow it takes seconds

    ours = {process.pid for process in leftovers(settings.run_folder)}
    for option, port in (("--mlflow-port", settings.mlflow_port), ("--prefect-port", settings.prefect_port)):
        try:
            listen(settings.host, port).close()
        except ConfigError as error:
            holder = listener(port)
            if holder is not None and holder.pid in ours:
                continue
            who = "" if holder is None else f"process {holder.pid}, {' '.join(holder.cmdline())[:200]}"
            raise ConfigError(
                f"can't listen on {settings.host}, port {port}",
                got=f"{error.got}{'; it is taken by ' + who if who else ''}",
                do=f"{'stop that process' if who else f'see who has it: ss -ltnp sport = :{port}'}, or choose another: "
                f"{option}",
            ) from error
