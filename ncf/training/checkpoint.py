"""Checkpoints of a training: the last two, each complete, and with the identity of its training."""

import logging
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from ncf.content import differences
from ncf.errors import ModelError

logger = logging.getLogger(__name__)

IDENTITY = "ncf_identity"
KEPT = 2


def checkpoints(folder: Path) -> ModelCheckpoint:
    """A callback that writes a checkpoint after every epoch, atomically, and keeps the last two."""
    return ModelCheckpoint(
        folder, "{epoch:06d}", monitor="epoch", mode="max", save_top_k=KEPT, save_on_train_epoch_end=True
    )


def newest_checkpoint(folder: Path, identity: dict[str, Any]) -> Path | None:
    """The newest readable checkpoint in a folder; None if there is none.

    Args:
        folder: as given to `checkpoints`.
        identity: data fingerprint, settings and seed of the training to resume.

    Raises:
        ModelError: the checkpoint has other data, settings or seed; the message names the differences.
    """
    for path in sorted(folder.glob("epoch=*.ckpt"), reverse=True):
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)[IDENTITY]
        except Exception as error:  # torch raises many kinds of errors for a damaged file
            logger.warning("the checkpoint %s is damaged (%s); trying the previous one", path, str(error)[:200])
            continue
        if different := differences(found, identity):
            raise ModelError(
                f"the checkpoint {path} belongs to another training: {', '.join(different)}",
                do="use another checkpoint folder, or delete this one",
            )
        return path
    return None


def stopped_after(path: Path) -> int | None:
    """Number of epochs, if the training had stopped early when this checkpoint was written; else None."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    stopped = any(state.get("stopped_epoch", 0) > 0 for state in saved["callbacks"].values())
    return saved["epoch"] + 1 if stopped else None
