"""oneDNN's products are torch's own, whatever their sizes and however the matrices lie in memory."""

import pytest
import torch
from torch import Tensor, nn

from ncf.models import layers as module
from ncf.models.layers import linear


def learned(layer: object, rows: Tensor, weight: Tensor, bias: Tensor, wanted: Tensor) -> list[Tensor]:
    """Outcome and gradients of a layer, float32."""
    leaves = [value.clone().requires_grad_() for value in (rows, weight, bias)]
    left, right = leaves[1].chunk(2, dim=1)  # parts of a matrix, as a tower's first layer has them
    found = layer(leaves[0], left, leaves[2]) + layer(leaves[0], right)
    (found * wanted).sum().backward()
    gradients = [leaf.grad for leaf in leaves if leaf.grad is not None]
    assert len(gradients) == len(leaves)
    return [found.detach(), *gradients]


@pytest.mark.parametrize("shape", [(2048,), (512, 5)])
@pytest.mark.parametrize(("width_in", "width_out"), [(128, 128), (64, 40), (1024, 1)])
def test_large_products_and_their_gradients(
    shape: tuple[int, ...], width_in: int, width_out: int, generator: torch.Generator
) -> None:
    rows = torch.randn(*shape, width_in, generator=generator)
    weight = torch.randn(width_out, 2 * width_in, generator=generator)
    bias = torch.randn(width_out, generator=generator)
    wanted = torch.randn(*shape, width_out, generator=generator)
    assert rows.numel() * width_out >= module.LARGE_PRODUCT
    exact = learned(nn.functional.linear, *(value.double() for value in (rows, weight, bias, wanted)))
    for found, right in zip(learned(linear, rows, weight, bias, wanted), exact, strict=True):
        torch.testing.assert_close(found, right.float(), rtol=1e-4, atol=2e-3)


def test_without_onednn_torch_multiplies(monkeypatch: pytest.MonkeyPatch, generator: torch.Generator) -> None:
    rows, weight = torch.randn(4096, 64, generator=generator), torch.randn(32, 64, generator=generator)
    monkeypatch.setattr(module, "HAS_ONEDNN", False)
    assert torch.equal(linear(rows, weight), nn.functional.linear(rows, weight))


def test_autocast_decides_the_precision(generator: torch.Generator) -> None:
    rows, weight = torch.randn(4096, 64, generator=generator), torch.randn(32, 64, generator=generator)
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(rows, weight).dtype == torch.bfloat16
