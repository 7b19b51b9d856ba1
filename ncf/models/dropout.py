"""Dropout whose masks cost a tenth of torch's own on a CPU."""

import torch
from torch import Tensor, nn
from typing_extensions import override

LEVELS = 2**16  # of a random 16-bit integer


class Dropout(nn.Dropout):
    """nn.Dropout with a cheaper mask: torch draws a number for each value, one by one; here 64 bits make four masks.

    The share dropped is met to 1 / 65,536. The mask comes from the global generator of the values' device.
    """

    @override
    def forward(self, input: Tensor) -> Tensor:
        """float[...] -> float[...]; the numbers that stay are scaled so that the mean stays."""
        if torch.compiler.is_compiling():  # which draws a mask in passing
            return super().forward(input)
        levels = min(round(self.p * LEVELS), LEVELS - 1)
        return input * _mask(input, levels) if self.training and levels else input


def _mask(values: Tensor, levels: int) -> Tensor:
    """1 / (share kept) where a number stays, else 0; of the values' shape and dtype."""
    scale, least = LEVELS / (LEVELS - levels), levels - LEVELS // 2
    bits = torch.empty(-(-values.numel() // 4), dtype=torch.int64, device=values.device).random_(-(2**63), None)
    numbers = bits.view(torch.int16)[: values.numel()].view(values.shape)
    kept = numbers.to(torch.float32).sub_(least - 1).clamp_(0, 1)  # of whole numbers: 0 or 1
    return kept.mul_(scale).to(values.dtype)
