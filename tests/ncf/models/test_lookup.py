import pytest
import torch

from ncf.models.layers import LARGE_LOOKUP, Table


@pytest.mark.parametrize("shape", [(7,), (LARGE_LOOKUP,), (LARGE_LOOKUP // 2, 3)])
def test_rows_and_gradients_are_those_of_an_embedding(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(1)
    table = Table(30, 4).double()
    plain = torch.nn.Embedding(30, 4).double()
    plain.load_state_dict(table.state_dict())
    rows = torch.randint(0, 25, shape, generator=generator)  # some rows many times, some never
    weights = torch.randn(*shape, 4, generator=generator, dtype=torch.float64)
    for embedding in (table, plain):
        found = embedding(rows)
        assert torch.equal(found, table.weight[rows])
        (found * weights).sum().backward()
    assert table.weight.grad is not None
    assert plain.weight.grad is not None
    torch.testing.assert_close(table.weight.grad, plain.weight.grad, rtol=1e-12, atol=1e-12)
    assert (table.weight.grad[25:] == 0).all()


def test_two_lookups_add_up() -> None:
    table, rows = Table(5, 2), torch.full((LARGE_LOOKUP,), 3)
    (table(rows).sum() + 2 * table(rows).sum()).backward()
    assert table.weight.grad is not None
    assert table.weight.grad[3].tolist() == [3.0 * LARGE_LOOKUP] * 2
