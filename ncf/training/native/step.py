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
from ncf.training.native.build import library

LOSSES = ("bce", "mse", "least-squares", "bpr")  # in the order of description.hpp
PARTS = ("find", "look up", "forward", "loss", "backward", "pass on", "finish")  # in the order of worker.hpp


class _Parameter(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("mean", ctypes.c_void_p),
        ("square", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("trained", ctypes.c_int32),
    )


class _Layer(ctypes.Structure):
    _fields_ = (("weight", _Parameter), ("bias", _Parameter))


class _Optimizer(ctypes.Structure):
    _fields_ = (
        ("beta1", ctypes.c_double),
        ("beta2", ctypes.c_double),
        ("eps", ctypes.c_double),
        ("adam", ctypes.c_int32),
    )


class _Description(ctypes.Structure):
    _fields_ = (
        ("num_users", ctypes.c_int64),
        ("num_items", ctypes.c_int64),
        ("factors", ctypes.c_int64),
        ("depth", ctypes.c_int64),
        ("widths", ctypes.POINTER(ctypes.c_int64)),
        *((f"factors_{name}", _Parameter) for name in ("users", "items", "head", "bias")),
        *((f"tower_{name}", _Parameter) for name in ("users", "items", "head", "bias")),
        ("layers", ctypes.POINTER(_Layer)),
        ("optimizer", _Optimizer),
        ("loss", ctypes.c_int32),
        ("every_row", ctypes.c_int32),
        ("dropout", ctypes.c_double),
        ("l2_samples", ctypes.c_double),
        ("l2_tables", ctypes.c_double),
        ("positives", ctypes.c_int64),
        ("each", ctypes.c_int64),
        ("threads", ctypes.c_int64),
    )


class NativeStep:
    """Makes the optimizer steps of one size; what a plain step does, but for rounding and for dropout's masks.

    The weights and the optimizer's own state are changed in place. Rows of embeddings that no batch has wait with what
    their moments still move them by, until a batch has them or `finish` is called.

    Args:
        model: on the CPU, float32.
        config: loss, L2, negatives.
        optimizer: of the model's parameters, in one group; its state may be that of a checkpoint.
        size: positives of a step; steps of another size are left to the caller.
        threads: how many.

    Raises:
        ConfigError: there is no C++ compiler, or it fails.
        MemoryError: there is too little.
    """

    def __init__(
        self, model: Model, config: TrainingConfig, optimizer: torch.optim.Optimizer, size: int, threads: int
    ) -> None:
        self._optimizer = optimizer
        self._size = size
        self._states: list[dict[str, Any]] = []
        self._begun = False
        self._done = 0
        gmf = model.gmf if isinstance(model, NeuMF) else model if isinstance(model, GMF) else None
        mlp = model.mlp if isinstance(model, NeuMF) else model if isinstance(model, MLP) else None
        self._masked = mlp is not None and mlp.dropout.p > 0
        given = _Description(
            optimizer=self._constants(),
            loss=LOSSES.index(config.loss),
            every_row=optimizer.param_groups[0]["weight_decay"] > 0 or _of_tables(config) > 0,
            l2_samples=config.embedding_l2 - _of_tables(config),
            l2_tables=_of_tables(config),
            positives=size,
            each=1 + config.num_negatives,
            threads=threads,
        )
        if gmf is not None:
            self._describe(given, "factors", gmf)
            given.factors = gmf.user_embedding.embedding_dim
        layers: list[nn.Linear] = [] if mlp is None else [layer for layer in mlp.tower if isinstance(layer, nn.Linear)]
        if mlp is not None:
            self._describe(given, "tower", mlp)
            given.dropout = mlp.dropout.p
            given.depth = len(layers)
        widths = [layers[0].in_features, *(layer.out_features for layer in layers)] if layers else []
        given.widths = (ctypes.c_int64 * len(widths))(*widths)
        given.layers = (_Layer * len(layers))(
            *(_Layer(self._parameter(layer.weight), self._parameter(layer.bias)) for layer in layers)
        )
        self._library = library()
        self._library.ncf_make.restype = ctypes.c_void_p
        self._library.ncf_run.restype = ctypes.c_double
        self._library.ncf_seconds.restype = ctypes.POINTER(ctypes.c_double)
        handle = self._library.ncf_make(ctypes.byref(given))
        if handle is None:
            raise MemoryError("too little memory for the gradients of a step; take a smaller batch")
        self._handle = ctypes.c_void_p(handle)
        weakref.finalize(self, self._library.ncf_free, self._handle)

    def __call__(self, steps: Sequence[Step], total: Tensor) -> int:
        """Make the first steps, as many as are of the size; returns how many.

        Args:
            steps: the steps.
            total: float32, a scalar; the sum of the samples' losses is added to it.
        """
        mine = list(takewhile(lambda step: step.counted == self._size and step.weight == 1, steps))
        if not mine:
            return 0
        if not self._begun:
            self._done = int(self._states[0]["step"]) if self._states else 0
            self._library.ncf_restart(self._handle, ctypes.c_int64(self._done))
            self._begun = True
        rates = self._rates(len(mine))
        seeds = torch.randint(-(2**63), 2**63 - 1, (len(mine),)).numpy() if self._masked else np.zeros(len(mine), int)
        batches = [[tensor.contiguous() for tensor in step[:3]] for step in mine]  # held while they are read
        places = [np.array([tensor.data_ptr() for tensor in column]) for column in zip(*batches, strict=True)]
        loss = self._library.ncf_run(
            self._handle,
            ctypes.c_int64(len(mine)),
            *(ctypes.c_void_p(array.ctypes.data) for array in (*places, rates, seeds)),
        )
        total.add_(loss, alpha=self._size)
        for state in self._states:
            state["step"] += len(mine)
        self._done += len(mine)
        return len(mine)

    def finish(self) -> None:
        """Move the rows that wait; after it, weights and moments are those that plain steps would have left."""
        if self._begun:
            self._library.ncf_finish(self._handle)
            self._begun = False

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of all steps so far by part (trainer.hpp), of the first thread."""
        return dict(zip(PARTS, self._library.ncf_seconds(self._handle), strict=False))  # a pointer has no end

    def _rates(self, count: int) -> np.ndarray:
        """Of each of the next steps, float64[count, 3].

        Of Adam the learning rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t), and 1 - the learning rate * the decay; of SGD
        the learning rate, and ones.
        """
        [group] = self._optimizer.param_groups
        rate = float(group["lr"])
        times = np.arange(1, count + 1) + self._done
        beta1, beta2 = group.get("betas", (0.0, 0.0))
        kept = np.full(count, 1 - rate * group["weight_decay"])
        return np.stack([rate / (1 - beta1**times), 1 / np.sqrt(1 - beta2**times), kept], axis=1)

    def _constants(self) -> _Optimizer:
        [group] = self._optimizer.param_groups
        beta1, beta2 = group.get("betas", (0.0, 0.0))  # SGD has none
        return _Optimizer(beta1, beta2, group.get("eps", 0.0), "betas" in group)

    def _describe(self, given: _Description, half: str, model: GMF | MLP) -> None:
        given.num_users = model.user_embedding.num_embeddings
        given.num_items = model.item_embedding.num_embeddings
        for name, parameter in (
            ("users", model.user_embedding.weight),
            ("items", model.item_embedding.weight),
            ("head", model.head),
            ("bias", model.bias),
        ):
            setattr(given, f"{half}_{name}", self._parameter(parameter))

    def _parameter(self, parameter: Tensor) -> _Parameter:
        """Where a parameter and its moments stand: those of a checkpoint, or zeros."""
        moments = [0, 0]
        if parameter.requires_grad and "betas" in self._optimizer.param_groups[0]:
            state: dict[str, Any] = self._optimizer.state[parameter]
            if not state:
                state["step"] = torch.zeros(())
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            self._states.append(state)
            moments = [state[name].data_ptr() for name in ("exp_avg", "exp_avg_sq")]
        return _Parameter(parameter.data_ptr(), *moments, parameter.numel(), parameter.requires_grad)


def _of_tables(config: TrainingConfig) -> float:
    """Weight of the L2 over all embeddings."""
    return config.embedding_l2 if config.l2_over == "tables" else 0.0
