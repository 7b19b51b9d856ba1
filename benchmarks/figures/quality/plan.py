"""The trainings that the quality figures need: searches on validation, choice of the epoch, final trainings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmarks.bench import Job, QualitySizes, Result
from benchmarks.figures.quality.recipes import (
    MODELS,
    WARMUP_EPOCHS,
    Protocol,
    drawn_recipe,
    first_recipe,
    space_of,
    with_factors,
)
from benchmarks.job_cache import JobCache
from ncf.config import RECIPES, ModelName

Spec: TypeAlias = dict[str, Any]
SEARCH_SEED = 0


@dataclass(frozen=True)
class Kind:
    """A model of one size; the GMF of a neumf-pretrained may have another size than its MLP."""

    model: ModelName
    factors: int
    gmf_factors: int | None = None

    @property
    def parts(self) -> tuple["Kind", ...]:
        """The models that it is pretrained from."""
        if self.model != "neumf-pretrained":
            return ()
        return Kind("gmf", self.gmf_factors or self.factors), Kind("mlp", self.factors)


@dataclass(frozen=True)
class Plan:
    """The jobs of one log and one protocol.

    Attributes:
        jobs: runs the jobs and caches their results.
        log: name of the log.
        protocol: protocol of the validation NDCG@10 by which settings and epochs are chosen.
        sizes: how much is trained.
    """

    jobs: JobCache
    log: str
    protocol: Protocol
    sizes: QualitySizes

    def search(self, kinds: Sequence[Kind]) -> None:
        """Find settings and epochs for models of these sizes, the pretrained models after their GMF and MLP."""
        all_kinds = dict.fromkeys([*kinds, *map(self._searched, kinds)])
        wanted = dict.fromkeys([*(part for kind in all_kinds for part in kind.parts), *kinds])
        for fused in (False, True):
            these = [kind for kind in wanted if bool(kind.parts) == fused]
            self._answers("searches", self._search_job, dict.fromkeys(map(self._searched, these)))
            self._answers("epochs", self._choose_job, [kind for kind in these if kind != self._searched(kind)])

    def searched(self, kind: Kind) -> Result:
        """What the search behind a model found."""
        return self.jobs.result(self._search_job(self._searched(kind)))

    def chosen(self, kind: Kind) -> tuple[Spec, float]:
        """The model's settings and epochs, without a seed, and their validation NDCG@10."""
        found = self.searched(kind)
        if kind == self._searched(kind):
            return self._spec(kind, found["recipe"], found["epoch"]), found["score"]
        chosen = self.jobs.result(self._choose_job(kind))
        return self._spec(kind, self._recipe(kind), chosen["epoch"]), chosen["score"]

    def spec(self, kind: Kind, seed: int) -> Spec:
        """The spec of a final training, with those of its GMF and MLP."""
        parts = [self.spec(part, seed) for part in kind.parts]
        return {**self.chosen(kind)[0], "seed": seed, "parts": parts or None}

    def finals(self, kind: Kind, seeds: Iterable[int]) -> list[Result]:
        """The test metrics of the final trainings."""
        return [self.jobs.result(self._final_job(kind, seed)) for seed in seeds]

    def train(self, kinds: Sequence[Kind], seeds: Sequence[int]) -> None:
        """Run the final trainings of several models, GMF and MLP before the models that are made of them."""
        for fused in (False, True):
            these = [(kind, seed) for kind in kinds if bool(kind.parts) == fused for seed in seeds]
            parts = [(part, seed) for kind in kinds for part in kind.parts for seed in seeds] if not fused else []
            jobs = [self._final_job(kind, seed) for kind, seed in dict.fromkeys(parts + these)]
            self.jobs.results(f"{self.log}: final trainings", jobs)

    def negatives_job(self, kind: Kind, number: int) -> Job:
        """A training with a number of drawn negatives per positive, evaluated on validation."""
        recipe = drawn_recipe(kind.model, kind.factors, self.protocol, number, self.sizes.most_epochs)
        spec = {**self._spec(kind, recipe.model_dump(mode="json"), None), "seed": SEARCH_SEED, "parts": None}
        return {"task": "choose", "log": self.log, "spec": spec}

    def _answers(self, title: str, job: Any, kinds: Iterable[Kind]) -> None:
        self.jobs.results(f"{self.log}: {title}", [job(kind) for kind in kinds])

    def _searched(self, kind: Kind) -> Kind:
        """The model whose searched settings this one uses: the smallest searched one that is not smaller, if any."""
        if kind in searched_kinds(self.sizes):
            return kind
        searched = self._sizes_searched(kind.model)
        larger = [size for size in searched if size >= kind.factors]
        return Kind(kind.model, min(larger) if larger else max(searched))

    def _sizes_searched(self, model: ModelName) -> Sequence[int]:
        match model:
            case "gmf":
                return *self.sizes.searched, self.sizes.wide
            case "neumf-pretrained":
                return self.sizes.searched_fused
            case _:
                return self.sizes.searched_towers

    def _recipe(self, kind: Kind) -> Any:
        recipe = RECIPES[kind.model].model_validate(self.searched(kind)["recipe"])
        return with_factors(kind.model, recipe, kind.factors).model_dump(mode="json")

    def _search_job(self, kind: Kind) -> Job:
        first = first_recipe(self.log, kind.model, kind.factors, self.protocol, self.sizes.most_epochs)
        parts = {part.model: self.chosen(part)[0]["recipe"] for part in kind.parts}
        return {
            "task": "search",
            "log": self.log,
            "model": kind.model,
            "recipe": first.model_dump(mode="json"),
            "space": {
                name: range_.model_dump(mode="json")
                for name, range_ in space_of(self.log, kind.model, self.protocol).items()
            },
            "parts": parts or None,
            "seed": SEARCH_SEED,
            "trials": self.sizes.trials,
            "warmup_epochs": WARMUP_EPOCHS[kind.model],
        }

    def _choose_job(self, kind: Kind) -> Job:
        parts = [{**self.chosen(part)[0], "seed": SEARCH_SEED, "parts": None} for part in kind.parts]
        spec = {**self._spec(kind, self._recipe(kind), None), "seed": SEARCH_SEED, "parts": parts or None}
        return {"task": "choose", "log": self.log, "spec": spec}

    def _final_job(self, kind: Kind, seed: int) -> Job:
        return {"task": "final", "log": self.log, "spec": self.spec(kind, seed)}

    @staticmethod
    def _spec(kind: Kind, recipe: Any, epochs: int | None) -> Spec:
        return {"model": kind.model, "recipe": recipe, "epochs": epochs}


def searched_kinds(sizes: QualitySizes) -> list[Kind]:
    """One of each model, of the widest size that is searched."""
    gmf, tower = max(sizes.searched), max(sizes.searched_towers)
    return [
        Kind("gmf", gmf),
        Kind("mlp", tower),
        Kind("neumf", tower),
        Kind("neumf-pretrained", tower, gmf if gmf != tower else None),
    ]


def kinds_of(factors: Iterable[int], models: Sequence[ModelName] = MODELS) -> list[Kind]:
    """Every model at every size, the largest first, since they take longest."""
    return [Kind(model, size) for size in sorted(factors, reverse=True) for model in models]
