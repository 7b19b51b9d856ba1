"""Folding in: a vector for a user who is known only by a list of items, fitted on the frozen model."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ncf.config import RecencyConfig, TrainingConfig
from ncf.models.build import Model
from ncf.models.layers import Table
from ncf.serving.bundle import Bundle
from ncf.training.objective import OF_LABELS, OF_ZERO

USER_TABLE = "user_embedding"
STEPS, EVALUATIONS = 8, 12  # of L-BFGS: they bound the time, and more of them overfit the listed items
MOST_OTHERS = 4_096  # items that represent the rest of the catalogue, so that a large one takes no longer
ORDER_SEED = 0
ONLY_USER = torch.zeros(1, dtype=torch.int64)  # index of the user of a model with one user


class FoldIn:
    """Fits user vectors to lists of items; the rest of the model is not changed.

    It minimizes the user's own share of the training objective, with expected negatives in place of sampled ones: the
    mean loss of the listed items (label 1) and of the others (label 0, together `num_negatives` times the weight of the
    listed), and the vector's L2. L-BFGS makes a bounded number of steps from the mean of the learned users' vectors.
    Nothing is sampled for a request: the same items give the same vector; in any order, unless the model was trained
    with recency, for which the newest item is the last one.

    bpr has no loss for a single label; a model trained with it is fitted with bce.

    Args:
        bundle: the model, whose weights must not change; its facts hold the settings it was trained with, else the
            defaults are used.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.config = training_of(bundle.about)
        self._recency = self.config.recency if bundle.history.has_order else RecencyConfig()
        self._kind = self.config.loss if self.config.loss in OF_LABELS else "bce"
        self._frozen = {
            id(parameter): nn.Parameter(parameter.detach(), requires_grad=False)
            for name, parameter in bundle.model.named_parameters()
            if USER_TABLE not in name
        }
        self._model = _with_one_user(bundle, self._frozen)
        self._device = self._model.get_parameter(next(iter(self._model.state_dict()))).device
        counts = torch.as_tensor(bundle.item_counts, dtype=torch.float32, device=self._device)
        self._positives = float(counts.sum())
        beta = self.config.negatives_beta if self.config.negatives == "popularity" else 0.0
        self._drawn = counts.clamp(min=1).pow(beta)  # an item's chance as a negative, as `popularity_weights` has it
        with torch.inference_mode():
            self._items_part = bundle.model.items_part()
        order = torch.randperm(len(counts), generator=torch.Generator().manual_seed(ORDER_SEED))
        self._order = order.to(self._device)

    def scores(self, items: Tensor) -> Tensor:
        """Items int64[P], at least one -> scores of all items for a user who has these, float[num_items]."""
        model = self.fitted(items)
        with torch.inference_mode():
            return model.score_all(ONLY_USER.to(self._device), self._items_part)[0]

    def fitted(self, items: Tensor) -> Model:
        """The model with one user, index 0, fitted to these items; all other weights are shared with the bundle's."""
        model = deepcopy(self._model, {id(parameter): parameter for parameter in self._frozen.values()})
        vectors = [parameter for parameter in model.parameters() if parameter.requires_grad]
        listed, newer = _distinct(items.to(self._device))
        others = self._others(listed)
        pairs = torch.cat([listed, others])[None]
        own_weights, weights = self._weights(newer, others)

        def objective() -> Tensor:
            logits = model(ONLY_USER.to(self._device), pairs)[0]
            own, rest = logits[: len(listed)], logits[len(listed) :]
            loss = own_weights @ OF_LABELS[self._kind](own, torch.ones_like(own))
            loss = loss + weights @ OF_ZERO[self._kind](rest)
            length = torch.stack([vector.square().sum() for vector in vectors]).sum()
            return loss + self._l2(len(listed)) * length

        _minimize(objective, vectors)
        return model

    def _others(self, listed: Tensor) -> Tensor:
        """Items that are not listed, int64[at most MOST_OTHERS]: always the same ones of a large catalogue."""
        left = torch.ones(len(self._order), dtype=torch.bool, device=self._device)
        left[listed] = False
        return self._order[left[self._order]][:MOST_OTHERS]

    def _weights(self, newer: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """Weight of each listed item, and of each other one, float[len(others)]; all together weigh 1.

        Args:
            newer: int64[P], how many newer items are listed.
            others: items that are not.
        """
        listed = self._recency.weights(newer).float()
        if self.config.unobserved_weight is None:
            negative = self.config.num_negatives * float(listed.sum())
        else:
            negative = self.config.unobserved_weight * (len(self._order) - len(newer))
        total = float(listed.sum()) + negative
        drawn = self._drawn[others]
        return listed / total, drawn * (negative / total / drawn.sum().clamp(min=1e-12))

    def _l2(self, num_listed: int) -> float:
        """Weight of the vector's squared length beside the mean loss of the user's own samples."""
        if self.config.l2_over == "samples":
            return self.config.embedding_l2
        return self.config.embedding_l2 * self._positives / num_listed  # at every step, whoever is in its batch


def _distinct(items: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted distinct items int64[P], and how many of the others come after the last place of each, int64[P]."""
    listed, row = torch.unique(items, return_inverse=True)
    last = torch.zeros_like(listed).scatter_reduce_(0, row, torch.arange(len(items), device=items.device), "amax")
    return listed, last.argsort(descending=True).argsort()


def training_of(about: Mapping[str, Any]) -> TrainingConfig:
    """The settings with which a bundle's model was trained, by its facts; defaults where they say nothing."""
    settings = about.get("settings")
    training = settings.get("training") if isinstance(settings, Mapping) else None
    known = training if isinstance(training, Mapping) else {}
    return TrainingConfig.model_validate({name: known[name] for name in TrainingConfig.model_fields if name in known})


def _with_one_user(bundle: Bundle, frozen: dict[int, nn.Parameter]) -> Model:
    """The model with the frozen weights in place of its own, and one user: the mean of the learned ones."""
    model = deepcopy(bundle.model, dict(frozen))
    learned = torch.from_numpy(bundle.learned)
    for name, table in list(model.named_modules()):
        if name.endswith(USER_TABLE):
            rows = table.get_parameter("weight").detach()[learned.to(table.get_parameter("weight").device)]
            mean = rows.mean(dim=0, keepdim=True) if len(rows) else rows.new_zeros(1, rows.shape[1])
            model.get_submodule(name.rpartition(".")[0]).register_module(
                USER_TABLE, Table(1, rows.shape[1], _weight=mean)
            )
    return model.eval()


def _minimize(objective: Callable[[], Tensor], parameters: Sequence[nn.Parameter]) -> None:
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=STEPS, max_eval=EVALUATIONS, line_search_fn="strong_wolfe", history_size=STEPS
    )

    def closure() -> float:
        optimizer.zero_grad()
        loss = objective()
        torch.autograd.backward(loss)
        return float(loss.detach())

    optimizer.step(closure)  # type: ignore[no-untyped-call]
