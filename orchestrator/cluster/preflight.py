"""Before Ray is started: what could not be trained, and what each unit costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from members.errors import BadInput
from members.networks.weights_file import require_weights_file
from members.recipe.recipe import Recipe
from orchestrator.cluster.known_recipes import known_recipes
from orchestrator.photographs.table import Photographs, codec_of, in_fold
from orchestrator.spec.spec import Member, Spec


def training_problems(spec: Spec) -> list[str]:
    """Every recipe that could not be trained, those a search may draw included."""

    def find(recipe: Recipe) -> list[str]:
        from members.training.check import recipe_problems

        return recipe_problems(recipe)

    problems: dict[str, None] = {}
    if spec.resources.gpus == 0:
        problems |= dict.fromkeys(device_problems(spec, spec.members))
    with known_recipes() as known:
        for member in spec.members:
            for recipe in spec.recipes_of(member):
                found = known.of("problems", recipe, find=partial(find, recipe))
                problems |= dict.fromkeys(f"{member.name}: {text}" for text in found)
    return list(problems)


def lacks_weights(spec: Spec) -> bool:
    """Whether a file is not there that a recipe starts from: `training_problems` names it, with torch."""
    drawn = spec.search.space.get("pretrained") if spec.search else None
    sources = [*(m.recipe.pretrained for m in spec.members), *(drawn.probes() if drawn else ())]
    for source in sources:
        try:
            if isinstance(source, str):
                require_weights_file(source)
        except BadInput:
            return True
    return False


def batch_problems(spec: Spec, photographs: Photographs, whole: bool = False) -> list[str]:
    """Recipes that fail at the smallest batch which training on some fold has.

    whole: or training on all rows. They must be without `training_problems`.
    """

    def find(*given: Any) -> str | None:
        from members.training.check import batch_problem

        return batch_problem(*given)

    parts = {len(in_fold(photographs.train, fold)[0]) for fold in range(photographs.n_folds)}
    parts |= {len(photographs.train)} if whole else set()
    problems: dict[str, None] = {}
    with known_recipes() as known:
        for member in spec.members:
            n_classes = len(codec_of(member, photographs.codec).classes)
            others = most_photos(member, photographs) - len(photographs.train)
            for recipe in spec.recipes_of(member):
                # how many test photos teachers will be sure of is not known: any remainder may occur
                most = min(others, recipe.batch_size * recipe.accumulate)
                more = range(most + 1) if member.pseudo else [others]
                sizes = {part + n for part in parts for n in more}
                asked = (n_classes, sorted(sizes), spec.resources.workers)
                problem = known.of("batch", recipe, *asked, find=partial(find, recipe, *asked))
                if problem:
                    problems[f"{member.name}: {problem}"] = None
    return list(problems)


def device_problems(spec: Spec, members: Iterable[Member]) -> list[str]:
    """What of `members` cannot be trained in processes without a GPU."""
    return [
        f"{member.name}: mixed_precision: fp16 needs a GPU, and this run's training processes get "
        "none; use auto, bf16 or off, or join a cluster with GPUs by --address"
        for member in members
        if any(recipe.mixed_precision == "fp16" for recipe in spec.recipes_of(member))
    ]


def most_photos(member: Member, photographs: Photographs) -> int:
    """Labelled photographs, and of a member that learns test photographs all of those, too."""
    learns_test = member.pseudo or (member.teacher and member.teacher.unlabelled)
    test = photographs.test if learns_test else None
    return len(photographs.train) + (0 if test is None else len(test))


def cost_of(photographs: Photographs) -> Callable[[Member], float]:
    """Multiply-accumulates of training one unit: what the order of units is by."""
    from members.recipe.stages import size_of

    passes: dict[tuple, float] = {}

    def cost(member: Member) -> float:
        recipe = member.recipe
        n_classes = len(codec_of(member, photographs.codec).classes)
        total = 0.0
        for epoch in range(recipe.epochs):
            size = size_of(recipe, epoch)
            key = (recipe.model, size)
            if key not in passes:
                passes[key] = _of_a_pass(recipe.model, size, n_classes)
            total += passes[key]
        return 3 * total * most_photos(member, photographs)

    return cost


def _of_a_pass(model: str, size: tuple[int, int], n_classes: int) -> float:
    recipe = Recipe(model=model, image_size=size)

    def find() -> float:
        from members.networks.cost import multiply_accumulates

        return multiply_accumulates(recipe, n_classes)

    with known_recipes() as known:
        return known.of("multiply-accumulates", recipe, n_classes, find=find)


def memory_of_unit(spec: Spec, member: Member, photographs: Photographs) -> int:
    """Bytes that the training of one unit takes, of all its processes, on CPUs: an estimate.

    Of a searched member the most that a candidate may take.
    """

    def find(*given: Any) -> int:
        from members.training.memory import memory_of

        return memory_of(*given).total

    resources = spec.resources
    n_classes = len(codec_of(member, photographs.codec).classes)
    batch = _largest_batch(spec, member)
    recipes = [r.model_copy(update={"batch_size": batch}) for r in spec.recipes_of(member)]
    asked = (n_classes, resources.workers, resources.loader_workers)
    with known_recipes() as known:
        most = max(known.of("memory", r, *asked, find=partial(find, r, *asked)) for r in recipes)
    return resources.workers * most


def _largest_batch(spec: Spec, member: Member) -> int:
    """The recipe's batch size, or the largest that its search may draw."""
    drawn = spec.search.space.get("batch_size") if spec.search else None
    if drawn is None or member.name not in spec.searched():
        return member.recipe.batch_size
    ends = drawn.choice or drawn.int_uniform or drawn.quniform or drawn.uniform or drawn.log_uniform
    assert ends  # one of them is given
    return max(int(end) for end in (ends if drawn.choice else ends[:2]))


@dataclass(frozen=True)
class Room:
    """How many units a machine of `memory` bytes has room for at once, of the largest there are.

    wanted: how many its CPUs would train. unit: bytes that one of `member` takes.
    """

    member: str
    unit: int
    wanted: int
    memory: int

    @property
    def slots(self) -> int:
        """At least one: whether that has room is what `refusal` judges."""
        return max(1, min(self.wanted, (self.memory - _OF_RAY) // (self.unit + _OF_A_RUN)))

    @property
    def taken(self) -> int:
        return _OF_RAY + self.slots * (self.unit + _OF_A_RUN)

    def line(self) -> str:
        """What is trained at once, and what to change where that is less than the CPUs could."""
        text = (
            f"memory: a unit of {self.member} takes about {_gib(self.unit)}; "
            f"{self.slots} at once and Ray {_gib(self.taken)} of {_gib(self.memory)}"
        )
        if self.taken > self.memory:
            return f"{text}: it may not have room. {_LOWER}"
        if self.slots < self.wanted:
            return f"{text}, so {self.slots} instead of {self.wanted} are trained at once. {_LOWER}"
        return text

    def refusal(self) -> str | None:
        """Why not even one unit can be trained, though the estimate were a third too high."""
        if _OF_RAY + self.unit * 2 // 3 <= self.memory:
            return None
        return (
            f"a unit of {self.member} takes about {_gib(self.unit)} of memory, Ray "
            f"{_gib(_OF_RAY)}, and this machine has {_gib(self.memory)}. {_LOWER}, or join a larger "
            "machine by --address"
        )


# measured: the command and Ray's own processes; those that lead the training of a unit
_OF_RAY, _OF_A_RUN = 1_000 << 20, 280 << 20
_LOWER = "Lower batch_size, image_size or resources.loader_workers in the spec"


def room_on(memory: int, wanted: int, units: Mapping[str, int]) -> Room:
    """units: member -> bytes of one of its units."""
    largest = max(units, key=units.__getitem__)
    return Room(largest, units[largest], wanted, memory)


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
