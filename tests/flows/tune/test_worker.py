import subprocess
import sys

from tests.e2e.processes import REPOSITORY

LOST = """
import gc, os, signal, sys, time
from flows.tune import worker

signal.signal(signal.SIGINT, worker.interrupt_once)
sys.unraisablehook = worker.interrupt_again

def callback(phase, info):
    gc.callbacks.clear()
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)

gc.callbacks.append(callback)
try:
    gc.collect()
    time.sleep(60)
except KeyboardInterrupt:
    print("stopped")
"""


def test_an_interruption_within_a_garbage_collection_is_not_lost() -> None:
    done = subprocess.run([sys.executable, "-c", LOST], cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("stopped\n", "")
