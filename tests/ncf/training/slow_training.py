"""Run as a process: train on the checkerboard with checkpoints in a folder, slowly enough to be killed.

python -m tests.ncf.training.slow_training FOLDER RESULT
"""

import sys
import time
from pathlib import Path

import pytorch_lightning as pl
import torch
from safetensors.torch import save_file
from typing_extensions import override

from ncf.config import TrainingConfig
from ncf.models.build import Model
from ncf.training.fit import fit
from tests.ncf.toy_data import checkerboard
from tests.ncf.training.small_models import NEUMF_KIND, new_model

CONFIG = TrainingConfig(learning_rate=0.02, batch_size=256, max_epochs=12, patience=30, schedule="cosine")


class Pace(pl.Callback):
    """Makes an epoch last long enough for a kill to fall into it."""

    @override
    def on_train_batch_end(self, trainer: pl.Trainer, *args: object) -> None:
        time.sleep(0.02)


def train(folder: Path | None, *callbacks: pl.Callback) -> Model:
    data = checkerboard()
    model = new_model(NEUMF_KIND, data, dropout=0.2)
    return fit(model, data, CONFIG, seed=5, callbacks=callbacks, checkpoint_folder=folder).model


if __name__ == "__main__":
    torch.set_num_threads(1)
    save_file(train(Path(sys.argv[1]), Pace()).state_dict(), sys.argv[2])
