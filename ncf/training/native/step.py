"""Optimizer steps on a CPU by one call of compiled code: loss, gradients and update (trainer.hpp)."""

import ctypes
import weakref
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ncf.config import TrainingConfig
from ncf.models.build import Model
from ncf.models.gmf import GMF
from ncf.models.mlp import MLP
from ncf.models.neumf import NeuMF
from ncf.training.batches import Step
from ncf.training.native.library import LOSSES, PHASES, Config, Layer, Optimizer, Parameter, Rates, library

NATIVE_MODELS = (GMF, MLP, NeuMF)  # not their subclasses, which may compute something else


class NativeStep:
    """Makes optimizer steps of one size; the results are those of a plain step, but for rounding and dropout's masks.

    The weights and the optimizer's own state are changed in place. Embedding rows that no batch has are not updated
    at once: the steps that they miss are made up for when a batch has them again, or when `finish` is called.

    Args:
        model: one of `NATIVE_MODELS`, on the CPU, float32.
        config: loss, L2, negatives.
        optimizer: of the model's parameters, in one group; its state may be that of a checkpoint.
        size: positives of a step; steps of another size are left to the caller.
        threads: how many.

    Raises:
        ConfigError: there is no C++ compiler, or it fails.
        MemoryError: there is not enough memory for the gradients.
    """

    def __init__(
        self, model: Model, config: TrainingConfig, optimizer: torch.optim.Optimizer, size: int, threads: int
    ) -> None:
        self._optimizer = optimizer
        self._size = size
        self._states: list[dict[str, Any]] = []
        self._started = False
        self._done = 0
        self._library = library()
        native = self._training(config, threads)
        gmf = model.gmf if isinstance(model, NeuMF) else model if isinstance(model, GMF) else None
        mlp = model.mlp if isinstance(model, NeuMF) else model if isinstance(model, MLP) else None
        if gmf is not None:
            self._add_half(native, "gmf", gmf)
            native.gmf_dim = gmf.user_embedding.embedding_dim
        if mlp is not None:
            self._add_half(native, "mlp", mlp)
            self._add_tower(native, mlp)
        self._masked = native.dropout > 0
        self._handle = self._library.ncf_create(native)
        if self._handle is None:
            raise MemoryError("there is not enough memory for the gradients of a step; use a smaller batch_size")
        weakref.finalize(self, self._library.ncf_free, self._handle)

    def __call__(self, steps: Sequence[Step], total: Tensor) -> int:
        """Make the first steps, as many as have the size, and return how many.

        The sum of the samples' losses is added to the total, a float32 scalar.
        """
        mine = list(takewhile(lambda step: step.counted == self._size and step.weight == 1, steps))
        if not mine:
            return 0
        if not self._started:
            self._done = int(self._states[0]["step"]) if self._states else 0
            self._library.ncf_restart(self._handle, self._done)
            self._started = True
        rates = self._rates(len(mine))
        seeds = torch.randint(-(2**63), 2**63 - 1, (len(mine),)).numpy() if self._masked else np.zeros(len(mine), int)
        batches = [  # not freed while they are read
            [tensor.contiguous() for tensor in (*step[:3], step.weights) if tensor is not None] for step in mine
        ]
        pointers = [np.array([tensor.data_ptr() for tensor in column]) for column in zip(*batches, strict=True)]
        users, items, labels, *weights = (array.ctypes.data for array in pointers)
        weights = weights or [0]
        loss = self._library.ncf_run(
            self._handle, len(mine), users, items, labels, *weights, rates.ctypes.data, seeds.ctypes.data
        )
        total.add_(loss, alpha=self._size)
        for state in self._states:
            state["step"] += len(mine)
        self._done += len(mine)
        return len(mine)

    def finish(self) -> None:
        """Update the rows that missed steps; then weights and moments are those that plain steps would have left."""
        if self._started:
            self._library.ncf_finish(self._handle)
            self._started = False

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of all steps so far by phase (interface.hpp), of the first thread."""
        return dict(zip(PHASES, self._library.ncf_seconds(self._handle).contents, strict=True))

    def _rates(self, count: int) -> np.ndarray:
        """`Rates` of the next steps, [count]."""
        [group] = self._optimizer.param_groups
        times = np.arange(1, count + 1) + self._done
        beta1, beta2 = group.get("betas", (0.0, 0.0))  # SGD has none
        rates = np.empty(count, dtype=Rates)
        rates["rate"] = float(group["lr"]) / (1 - beta1**times)
        rates["correction"] = 1 / np.sqrt(1 - beta2**times)
        rates["decay"] = 1 - float(group["lr"]) * group["weight_decay"]
        return rates

    def _training(self, config: TrainingConfig, threads: int) -> Config:
        """Everything but the model."""
        [group] = self._optimizer.param_groups
        beta1, beta2 = group.get("betas", (0.0, 0.0))
        over_tables = config.l2_over == "tables"
        return Config(
            optimizer=Optimizer(beta1, beta2, group.get("eps", 0.0), "betas" in group),
            loss=LOSSES.index(config.loss),
            dense=group["weight_decay"] > 0 or (over_tables and config.embedding_l2 > 0),
            l2_samples=0.0 if over_tables else config.embedding_l2,
            l2_tables=config.embedding_l2 if over_tables else 0.0,
            positives=self._size,
            group_size=1 + config.num_negatives,
            threads=threads,
        )

    def _add_half(self, native: Config, half: str, model: GMF | MLP) -> None:
        native.num_users = model.user_embedding.num_embeddings
        native.num_items = model.item_embedding.num_embeddings
        for name, parameter in (
            ("users", model.user_embedding.weight),
            ("items", model.item_embedding.weight),
            ("head", model.head),
            ("bias", model.bias),
        ):
            setattr(native, f"{half}_{name}", self._parameter(parameter))

    def _add_tower(self, native: Config, mlp: MLP) -> None:
        layers = [layer for layer in mlp.tower if isinstance(layer, nn.Linear)]
        widths = [layers[0].in_features, *(layer.out_features for layer in layers)]
        native.dropout = mlp.dropout.p
        native.num_layers = len(layers)
        native.widths = (ctypes.c_int64 * len(widths))(*widths)
        native.layers = (Layer * len(layers))(
            *(Layer(self._parameter(layer.weight), self._parameter(layer.bias)) for layer in layers)
        )

    def _parameter(self, parameter: Tensor) -> Parameter:
        """Addresses of a parameter and its moments: those of a checkpoint, or zeros."""
        moments = [0, 0]
        if parameter.requires_grad and "betas" in self._optimizer.param_groups[0]:
            state: dict[str, Any] = self._optimizer.state[parameter]
            if not state:
                state["step"] = torch.zeros(())
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            self._states.append(state)
            moments = [state[name].data_ptr() for name in ("exp_avg", "exp_avg_sq")]
        return Parameter(parameter.data_ptr(), *moments, parameter.numel(), parameter.requires_grad)
