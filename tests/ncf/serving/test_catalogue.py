import numpy as np
import pytest
import torch

from ncf.config import GMFConfig, NeuMFConfig
from ncf.errors import ConfigError
from ncf.models.build import build_model
from ncf.serving.bundle import Bundle, Catalogue, item_vectors
from tests.ncf.toy_data import literal_data


@pytest.fixture
def bundle() -> Bundle:
    config = GMFConfig(embedding_dim=2)
    model = build_model(config, 3, 6, seed=0).eval()
    table = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.1], [-1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    with torch.no_grad():
        model.get_parameter("item_embedding.weight").copy_(table)
    return Bundle.of(model, config, literal_data())


def test_the_items_with_their_titles_and_counts(bundle: Bundle) -> None:
    items = Catalogue(bundle).items
    assert items["title"].tolist() == ["Alien", "Brazil", "Casablanca", "", "Élisa", "Fargo"]
    assert items["count"].tolist() == [3, 1, 1, 1, 0, 0]


def test_a_part_of_a_title_in_any_letters_finds_the_popular_first(bundle: Bundle) -> None:
    found = Catalogue(bundle).find("LI")
    assert found[["item_id", "title", "count"]].to_numpy().tolist() == [[0, "Alien", 3], [4, "Élisa", 0]]
    assert Catalogue(bundle).find("é")["item_id"].tolist() == [4]
    assert Catalogue(bundle).find(".*").empty


def test_the_nearest_directions_whatever_their_lengths(bundle: Bundle) -> None:
    near = Catalogue(bundle).similar(0, k=9)
    assert near["item_id"].tolist() == [2, 5, 1, 4, 3]  # of equal ones the first of the catalogue
    assert near["similarity"].tolist() == pytest.approx([3 / np.hypot(3, 0.1), np.sqrt(0.5), 0, 0, -1])
    assert Catalogue(bundle).similar(0, k=1)["title"].tolist() == ["Casablanca"]


def test_what_is_not_there_is_refused(bundle: Bundle) -> None:
    with pytest.raises(
        ConfigError, match=r"does not know this item: 77; what to do: find one by its title: find\(text\)"
    ):
        Catalogue(bundle).similar(77)
    with pytest.raises(ConfigError, match="k is out of range: 0"):
        Catalogue(bundle).similar(0, k=0)


def test_both_tables_of_neumf_are_an_item_s_vector() -> None:
    model = build_model(NeuMFConfig(embedding_dim=3, layers=(8, 4)), 2, 5, seed=1)
    vectors = item_vectors(model)
    assert vectors.shape == (5, 3 + 4)
    weights = model.state_dict()
    np.testing.assert_array_equal(vectors[:, :3], weights["gmf.item_embedding.weight"])
    np.testing.assert_array_equal(vectors[:, 3:], weights["mlp.item_embedding.weight"])
