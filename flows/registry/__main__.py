"""The model registry by hand: `python -m flows.registry log | rollback | promote`."""

import sys

from flows.registry.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
