"""Peak memory of this process. Standard library only, since the peers' processes use it too."""

import resource
import sys
from pathlib import Path


def peak_mb() -> float:
    """Peak resident memory in MB (10^6 bytes).

    On Linux this is VmHWM: ru_maxrss of getrusage starts with the memory of the parent process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii").splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
