"""A process that runs trials for `python -m flows.tune`, and stops when that one does: not for users."""

import json
import os
import pickle
import signal
import struct
import sys
import threading
from types import FrameType

LENGTH = struct.Struct("!Q")  # of the job that follows
AGAIN_SECONDS = 0.1


def main() -> int:
    """Read a job from standard input, do it, and write an error as JSON to standard output."""
    (size,) = LENGTH.unpack(sys.stdin.buffer.read(LENGTH.size))
    sent = sys.stdin.buffer.read(size)  # read before anything heavy is imported: the parent waits for it
    signal.signal(signal.SIGINT, interrupt_once)
    sys.unraisablehook = interrupt_again
    threading.Thread(target=stop_with_parent, daemon=True).start()
    try:
        return do(sent)
    except (KeyboardInterrupt, SystemExit):
        return 130


def do(sent: bytes) -> int:
    """Do a pickled job. Returns the exit code."""
    from mlflow.exceptions import MlflowException  # late: this takes seconds

    from flows.tune.trials import work
    from ncf.errors import NCFError

    try:
        work(pickle.loads(sent))
    except NCFError as error:
        return tell(str(error))
    except MlflowException as error:
        return tell(f"MLflow failed: {error.message[:500]}")
    return 0


def tell(error: str) -> int:
    """Write an error for the parent. Returns the exit code."""
    sys.stdout.write(json.dumps({"error": error}))
    sys.stdout.flush()
    return 1


def interrupt_once(number: int, frame: FrameType | None) -> None:
    """The first interruption ends the work; further ones must not disturb what is put in order then."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def interrupt_again(lost: "sys.UnraisableHookArgs") -> None:
    """Repeat an interruption that fell into a callback of the garbage collector, where Python drops what is raised."""
    if not isinstance(lost.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    signal.signal(signal.SIGINT, interrupt_once)
    threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGINT)).start()  # after the callback


def stop_with_parent() -> None:
    """Wait for the end of standard input: the parent closes it, and so does its death, however it dies."""
    while os.read(sys.stdin.fileno(), 4096):  # not sys.stdin's own read: its lock would abort the end of the process
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
