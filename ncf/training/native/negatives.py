"""Positives with drawn negatives by one call of compiled code (negatives.cpp)."""

import ctypes

import torch
from torch import Tensor

from ncf.sampling.unseen import UnseenItems
from ncf.training.native.build import library


class _Seen(ctypes.Structure):
    _fields_ = (("below", ctypes.c_void_p), ("offsets", ctypes.c_void_p), ("num_items", ctypes.c_int64))


class NativeNegatives:
    """Draws what `TorchNegatives` draws, to the number, in less memory.

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
        self._seen = _Seen(self._below.data_ptr(), self._offsets.data_ptr(), unseen.num_items)
        self._threads = threads
        self._library = library()
        for array in (self._positives, self._below):
            size = array.numel() * array.element_size()
            self._library.ncf_in_large_pages(ctypes.c_void_p(array.data_ptr()), ctypes.c_int64(size))

    def draw(self, rows: Tensor, num_negatives: int, seed: int) -> tuple[Tensor, Tensor]:
        """Of the positives in these rows the users int64[P], and the items int64[P, 1 + num_negatives].

        Args:
            rows: int64[P]; a row gets the same negatives in any company.
            num_negatives: draws per positive, from its user's unseen items, with replacement.
            seed: 0 to 2^63 - 1.
        """
        rows = rows.contiguous()
        users, items = torch.empty_like(rows), rows.new_empty(len(rows), 1 + num_negatives)
        self._library.ncf_draw(
            ctypes.byref(self._seen),
            ctypes.c_void_p(self._positives.data_ptr()),
            ctypes.c_void_p(rows.data_ptr()),
            ctypes.c_int64(len(rows)),
            ctypes.c_uint64(seed),
            ctypes.c_int64(num_negatives),
            ctypes.c_int64(self._threads),
            ctypes.c_void_p(users.data_ptr()),
            ctypes.c_void_p(items.data_ptr()),
        )
        return users, items
