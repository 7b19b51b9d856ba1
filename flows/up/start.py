"""What the supervisor runs for each program: end the processes of an earlier start, then become the program."""

import os
import sys
from pathlib import Path

from flows.up.processes import end, leftovers
from flows.up.programs import FOLDER_VARIABLE


def main(name: str, command: list[str]) -> None:
    """Become the program. A server whose parent was killed still holds its port, and its successor could not start."""
    end(leftovers(Path(os.environ[FOLDER_VARIABLE]), name))
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
