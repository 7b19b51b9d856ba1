"""The HTTP service with the champion of an MLflow registry: `python -m flows.serve --help`."""

import sys

from flows.serve.service import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
