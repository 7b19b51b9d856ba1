import numpy as np
import torch

from ncf.models.gmf import GMF
from ncf.training.objective import samples_l2


def literal_gmf() -> GMF:
    """Two users, three items, two factors."""
    model = GMF(2, 3, 2, generator=torch.Generator())
    with torch.no_grad():
        model.user_embedding.weight.copy_(torch.tensor([[1.0, 2.0], [-1.0, 0.5]]))
        model.item_embedding.weight.copy_(torch.tensor([[3.0, 4.0], [0.0, 1.0], [2.0, -2.0]]))
        model.head.copy_(torch.tensor([10.0, 100.0]))
        model.bias.fill_(0.25)
    return model


def test_logits_by_hand() -> None:
    logits = literal_gmf()(torch.tensor([0, 1]), torch.tensor([[0, 1], [2, 0]]))
    # user 0, item 0: 10 * (1 * 3) + 100 * (2 * 4) + 0.25
    assert logits.tolist() == [[830.25, 200.25], [-119.75, 170.25]]


def test_logits_are_h_times_the_product_of_the_embeddings_plus_the_bias(
    rng: np.random.Generator, generator: torch.Generator
) -> None:
    model = GMF(5, 7, 4, generator=generator)
    with torch.no_grad():
        model.bias.fill_(-0.7)
    p, q = (table.weight.detach().double().numpy() for table in (model.user_embedding, model.item_embedding))
    h = model.head.detach().double().numpy()
    users, items = rng.integers(0, 5, 6), rng.integers(0, 7, (6, 3))
    expected = [[h @ (p[user] * q[item]) - 0.7 for item in row] for user, row in zip(users, items, strict=True)]
    found = model(torch.as_tensor(users), torch.as_tensor(items))
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-6)


def test_the_l2_of_samples_is_the_mean_over_the_samples() -> None:
    norm = samples_l2(literal_gmf(), torch.tensor([0, 1]), torch.tensor([[0, 1], [2, 0]]))
    users = (5 + 1.25) / 2  # |(1, 2)|^2 and |(-1, 0.5)|^2
    items = (25 + 1 + 8 + 25) / 4
    assert norm.item() == users + items
