"""An optimizer step as one compiled function: loss, gradients and update, without a call of torch between them."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value
from typing_extensions import override

from ncf.config import TrainingConfig
from ncf.models.build import Model
from ncf.training.batches import Step
from ncf.training.objective import step_loss


class WholeStep:
    """Makes the optimizer steps of one size; what a plain step does, but for rounding.

    The optimizer's own state is read and written, so that plain steps and checkpoints go on from it.

    Args:
        model: on its device.
        config: loss, L2.
        optimizer: of the model's parameters, in one group; its state may be that of a checkpoint.
        size: rows of a step; steps of another size are left to the caller.
    """

    def __init__(self, model: Model, config: TrainingConfig, optimizer: torch.optim.Optimizer, size: int) -> None:
        trained = {f"model.{name}": value for name, value in model.named_parameters() if value.requires_grad}
        self._names = list(trained)
        self._weights = [value.detach() for value in trained.values()]
        self._optimizer = optimizer
        self._size = size
        self._objective = _Objective(model, config)
        self._states = [] if config.optimizer == "sgd" else [_adam_state(optimizer, p) for p in trained.values()]
        [group] = optimizer.param_groups
        self._betas: tuple[float, float] = group.get("betas", (0.0, 0.0))  # SGD has none
        self._eps: float = group.get("eps", 0.0)
        self._decays = group["weight_decay"] > 0
        torch.compiler.reset()  # of one function it keeps eight versions at most: those of former models go
        self._compiled = torch.compile(self._step, fullgraph=True, dynamic=False)

    def __call__(self, steps: Sequence[Step], total: Tensor) -> int:
        """Make the first steps, as many as are of the size; returns how many.

        Args:
            steps: the steps.
            total: float32, a scalar; the sum of the samples' losses is added to it.
        """
        mine = list(takewhile(lambda step: step.counted == self._size and step.weight == 1, steps))
        factors = self._factors(len(mine)).to(total.device).unbind()
        first, second = ([state[key] for state in self._states] for key in ("exp_avg", "exp_avg_sq"))
        with torch.no_grad():
            for step, numbers in zip(mine, factors, strict=True):
                self._compiled(self._weights, first, second, numbers, total, step.users, step.items, step.labels)
        for state in self._states:
            state["step"] += len(mine)
        return len(mine)

    def _factors(self, count: int) -> Tensor:
        """What each of the next steps multiplies by: float32[count, 1] of SGD, the learning rate; [count, 3] of Adam.

        Adam's: 1 / sqrt(1 - beta2^t), the learning rate / (1 - beta1^t), and 1 - the learning rate * the decay.
        """
        [group] = self._optimizer.param_groups
        rate = float(group["lr"])
        if not self._states:
            return torch.full((count, 1), rate)
        done = float(self._states[0]["step"])
        times = torch.arange(1, count + 1, dtype=torch.float64) + done
        beta1, beta2 = group["betas"]
        kept = 1 - rate * group["weight_decay"]
        columns = [(1 - beta2**times).rsqrt(), rate / (1 - beta1**times), torch.full_like(times, kept)]
        return torch.stack(columns, dim=1).float()

    def _gradients(self, weights: list[Tensor], total: Tensor, *batch: Tensor) -> dict[str, Tensor]:
        def loss(named: dict[str, Tensor]) -> Tensor:
            found: Tensor = functional_call(self._objective, named, batch)
            return found

        gradients, value = grad_and_value(loss)(dict(zip(self._names, weights, strict=True)))
        total.add_(value, alpha=self._size)
        found: dict[str, Tensor] = gradients
        return found

    def _step(
        self,
        weights: list[Tensor],
        first: list[Tensor],
        second: list[Tensor],
        factors: Tensor,
        total: Tensor,
        *batch: Tensor,
    ) -> None:
        """SGD, which has no moments; or Adam (Kingma and Ba, 2015); or AdamW (Loshchilov and Hutter, 2019)."""
        gradients = self._gradients(weights, total, *batch)
        if not first:
            [rate] = factors.unbind()
            for name, weight in zip(self._names, weights, strict=True):
                weight.sub_(gradients[name] * rate)
            return
        beta1, beta2 = self._betas
        correction, rate, kept = factors.unbind()
        for name, weight, mean, square in zip(self._names, weights, first, second, strict=True):
            gradient = gradients[name]
            mean.lerp_(gradient, 1 - beta1)
            square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            if self._decays:
                weight.mul_(kept)
            weight.sub_(mean / (square.sqrt() * correction + self._eps) * rate)


class _Objective(nn.Module):
    """The loss of a step as a module, whose weights can be others than the model's."""

    def __init__(self, model: Model, config: TrainingConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config

    @override
    def forward(self, users: Tensor, items: Tensor, labels: Tensor) -> Tensor:
        return step_loss(self.model, self.config, Step(users, items, labels, len(users), 1.0))


def _adam_state(optimizer: torch.optim.Optimizer, parameter: Tensor) -> dict[str, Any]:
    """A parameter's state as torch.optim.Adam keeps it: that of a checkpoint, or zeros."""
    state: dict[str, Any] = optimizer.state[parameter]
    if not state:
        state["step"] = torch.zeros((), device=parameter.device)
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
    return state
