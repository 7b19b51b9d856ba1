"""Prepare a log in a process of its own, with executors of its own: python -m ... PATH DATA ENGINE (JSON)."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from ncf.data.config import DataConfig
from ncf.ingest.config import FileSource
from ncf.ingest.engine import EngineConfig
from ncf.prepare import prepare_source


def main(path: str, data: str, engine: str) -> None:
    spec = find_spec("pyspark")
    if spec is not None and spec.origin is not None:
        os.environ["SPARK_HOME"] = str(Path(spec.origin).parent)  # where a local cluster finds its executors' program
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    settings = DataConfig.model_validate_json(data)
    prepared = prepare_source("log", FileSource(path=path), settings, engine=EngineConfig.model_validate_json(engine))
    report = prepared.report.model_dump(mode="json", exclude={"notes"})
    sys.stdout.write(json.dumps({"fingerprint": prepared.fingerprint, "report": report}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
