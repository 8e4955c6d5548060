"""Processes that train one network together: which takes what of a batch, and how they agree.

    ranks = Ranks(rank=1, size=2)          # within torch.distributed's default process group
    for epoch in fit(recipe, train, valid, n_classes=18, seed=0, ranks=ranks): ...

`batch_size` is that of the unit: each optimiser step's photos are divided among the ranks. Every
rank holds the whole network, computes its own photos' logits, and then the loss of the whole
batch, for which the others' logits count as constants. Added up over the ranks, the gradients of
that loss are the gradient of the batch, also for a loss like f1 that is no mean over photos.

Gradients are added up after the backward pass, not during it as DistributedDataParallel does: that
keeps batches of which some rank has no photo, weights that get no gradient, accumulation and
clipping plain, and costs little wherever a batch takes far longer than sending the weights once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from members.errors import first_line
from members.out_of_memory import OutOfMemory, is_out_of_memory

if TYPE_CHECKING:
    from torch import Tensor, nn

_SENT_AT_ONCE = 2**23  # numbers; enough to be fast, little enough to copy beside the gradients


class RaisedByAll(RuntimeError):
    """Every rank raises it, at the same place: all may go on with something else."""


class OutOfMemoryForAll(RaisedByAll, OutOfMemory):
    """A pass did not fit the memory of one of the processes at least."""


class LostContact(RuntimeError):
    """Another process of this training is gone, or waits for something else."""


@dataclass(frozen=True)
class Ranks:
    """Process `rank` (from 0) of `size`; alone, every method returns at once.

    All ranks call the same methods in the same order. Those that talk raise LostContact where
    another rank cannot be reached.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """This process writes the files."""
        return self.rank == 0

    def part(self, n: int, least: int = 1) -> slice:
        """Which of n rows are this rank's: about n / size of them, at least `least`, or none.

        The first rank has some wherever n > 0.
        """
        busy = max(1, min(self.size, n // least))
        return slice(n * min(self.rank, busy) // busy, n * min(self.rank + 1, busy) // busy)

    def micro_batches(self, n: int, least: int, at_once: int) -> list[tuple[slice, slice, int]]:
        """A batch of n photos, divided so that no rank takes more than `at_once` of its own at once; one
        more where else a part would have fewer than `least`. A rank has some of its own in a part, or none.

        Of each part (own, where, photos): which of this rank's photos, which of the part's those are,
        and how many it has on all ranks.
        """
        parts = [Ranks(rank, self.size).part(n, least) for rank in range(self.size)]
        shares = [part.stop - part.start for part in parts]
        count = max(1, min(-(-max(shares) // at_once), max(shares) // least))
        found = []
        for i in range(count):
            cuts = [Ranks(i, count).part(share, least) for share in shares]
            sizes = [cut.stop - cut.start for cut in cuts]
            first = sum(sizes[: self.rank])
            where = slice(first, first + sizes[self.rank])
            found.append((cuts[self.rank], where, sum(sizes)))
        return found

    def any(self, here: bool) -> bool:
        """Whether it is so on any rank."""
        if self.size == 1:
            return here
        import torch
        from torch import distributed

        said = torch.tensor([float(here)])  # on the CPU: nobody waits for what a GPU is busy with
        with _in_contact():
            distributed.all_reduce(said)
        return bool(said)

    @contextmanager
    def in_memory(self) -> Iterator[None]:
        """What runs out of memory herein on any rank is OutOfMemoryForAll on every rank.

        Herein no rank waits for another.
        """
        why = ""
        try:
            yield
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            why = first_line(error)
        if self.any(bool(why)):
            raise OutOfMemoryForAll(why or "another process of this training ran out of memory")

    def join(self, *parts: Tensor, where: slice, n: int) -> list[Tensor]:
        """For each of `parts` (m, ...), this rank's rows `where` of n: all n rows, (n, ...).

        Gradients flow to this rank's own rows only.
        """
        if self.size == 1:
            return [*parts]
        import torch

        joined = [part.new_zeros((n, *part.shape[1:])) for part in parts]
        for whole, part in zip(joined, parts, strict=True):
            whole[where] = part.detach()
        self.add_up(joined)
        return [
            torch.cat([whole[: where.start], part, whole[where.stop :]])
            if part.requires_grad
            else whole
            for whole, part in zip(joined, parts, strict=True)
        ]

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace each of `tensors`, all of one type, by its sum over the ranks.

        Every rank gets the same bits.
        """
        if self.size == 1:
            return
        import torch
        from torch import distributed

        for some in _in_buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in some])
            with _in_contact():
                distributed.all_reduce(flat)
            sums = flat.split([tensor.numel() for tensor in some])
            for tensor, total in zip(some, sums, strict=True):
                tensor.copy_(total.view(tensor.shape))

    def add_up_gradients(self, network: nn.Module) -> None:
        """Give every rank the sum of all ranks' gradients; none of a rank without photos is 0."""
        if self.size == 1:
            return
        import torch

        learning = [weight for weight in network.parameters() if weight.requires_grad]
        gradients = []
        for weight in learning:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            gradients.append(weight.grad)
        self.add_up(gradients)

    def settle(self, *networks: nn.Module) -> None:
        """Batch norm's running statistics, each rank's of its own photos: their mean, for all."""
        if self.size == 1:
            return
        from torch.nn.modules.batchnorm import _BatchNorm

        norms = [m for network in networks for m in network.modules() if isinstance(m, _BatchNorm)]
        buffers = [buffer for norm in norms for buffer in norm.buffers(recurse=False)]
        sums = [buffer.double() for buffer in buffers]  # in which the mean of equals is exact
        self.add_up(sums)
        for buffer, total in zip(buffers, sums, strict=True):
            buffer.copy_(total / self.size)

    def from_first(self, compute: Callable[[], Any]) -> Any:
        """What `compute` returns on the first rank, for all; the others do not call it."""
        if self.size == 1:
            return compute()
        from torch import distributed

        result = [compute() if self.first else None]
        with _in_contact():
            distributed.broadcast_object_list(result)
        return result[0]


ALONE = Ranks()


def _in_buckets(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """The tensors in order, as many at once as are worth sending together."""
    some: list[Tensor] = []
    for tensor in tensors:
        if some and sum(t.numel() for t in some) + tensor.numel() > _SENT_AT_ONCE:
            yield some
            some = []
        some.append(tensor)
    if some:
        yield some


@contextmanager
def _in_contact() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch.distributed has no exception type that covers all of them
        raise LostContact(
            f"another process of this training does not answer ({first_line(error)})"
        ) from error
