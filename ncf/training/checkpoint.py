"""Checkpoints of a training: the last two, each with all that is needed to go on, and with what it belongs to."""

import logging
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from ncf.errors import ModelError

logger = logging.getLogger(__name__)

IDENTITY = "ncf_identity"
KEPT = 2


def checkpoints(folder: Path) -> ModelCheckpoint:
    """A callback that writes a checkpoint after every epoch and keeps the last two. Each is written whole or not."""
    return ModelCheckpoint(
        folder, "{epoch:06d}", monitor="epoch", mode="max", save_top_k=KEPT, save_on_train_epoch_end=True
    )


def newest_checkpoint(folder: Path, identity: dict[str, Any]) -> Path | None:
    """The newest readable checkpoint in a folder; None if there is none.

    Args:
        folder: where `checkpoints` wrote them.
        identity: data fingerprint, settings and seed of the training that is to go on.

    Raises:
        ModelError: the checkpoint is of other data, settings or seed; the message has the differences.
    """
    for path in sorted(folder.glob("epoch=*.ckpt"), reverse=True):
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)[IDENTITY]
        except Exception as error:  # torch raises many kinds for a damaged file, and any of them means the same here
            logger.warning("the checkpoint %s is damaged (%s); trying the one before", path, str(error)[:200])
            continue
        _refuse_another(path, found, identity)
        return path
    return None


def stopped_after(path: Path) -> int | None:
    """Epochs run, if the training had already stopped early when this checkpoint was written."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    stopped = any(state.get("stopped_epoch", 0) > 0 for state in saved["callbacks"].values())
    return saved["epoch"] + 1 if stopped else None


def _refuse_another(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    different = [key for key in sorted(found.keys() | wanted.keys()) if found.get(key) != wanted.get(key)]
    if different:
        raise ModelError(
            f"the checkpoint {path} is of another training: "
            + ", ".join(f"{key} {found.get(key)!r} there, {wanted.get(key)!r} here" for key in different),
            do="train in another folder, or remove this one",
        )
