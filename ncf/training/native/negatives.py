"""Positives with drawn negatives by one call of compiled code (negatives.cpp)."""

import torch
from torch import Tensor

from ncf.sampling.unseen import UnseenItems
from ncf.training.native.library import Seen, library


class NativeNegatives:
    """Draws exactly the numbers of `TorchNegatives`, in less memory.

    Args:
        unseen: index over the train pairs, on the CPU.
        users, items: int64[number of positives], of all positives, each with a user who has unseen items.
        threads: how many.

    Raises:
        ConfigError: there is no C++ compiler, or it fails.
    """

    def __init__(self, unseen: UnseenItems, users: Tensor, items: Tensor, threads: int) -> None:
        self._positives = torch.stack([users, items], dim=1).to(torch.int32)
        self._offsets = torch.cat([unseen.offsets, torch.tensor([len(unseen.keys)])])
        of_user = torch.arange(len(unseen.offsets)).repeat_interleave(self._offsets.diff())
        self._below = (unseen.keys - of_user * (unseen.num_items + 1)).to(torch.int32)
        self._seen = Seen(self._below.data_ptr(), self._offsets.data_ptr(), unseen.num_items)
        self._threads = threads
        self._library = library()
        for array in (self._positives, self._below):
            self._library.ncf_use_large_pages(array.data_ptr(), array.nbytes)

    def draw(self, rows: Tensor, num_negatives: int, seed: int) -> tuple[Tensor, Tensor]:
        """As `TorchNegatives.draw`: users int64[P], and items int64[P, 1 + num_negatives], of rows int64[P]."""
        rows = rows.contiguous()
        users, items = torch.empty_like(rows), rows.new_empty(len(rows), 1 + num_negatives)
        self._library.ncf_draw(
            self._seen,
            self._positives.data_ptr(),
            rows.data_ptr(),
            len(rows),
            seed,
            num_negatives,
            self._threads,
            users.data_ptr(),
            items.data_ptr(),
        )
        return users, items
