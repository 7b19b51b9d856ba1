"""Put the automations on the Prefect server: `python -m flows.automations`, after `prefect deploy`."""

import sys

from flows.automations.apply import main

if __name__ == "__main__":
    sys.exit(main())
