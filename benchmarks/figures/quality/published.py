"""Published figures on the paper's split of MovieLens-1M with 99 candidates: (HR@10, NDCG@10)."""

from collections.abc import Mapping
from types import MappingProxyType

PAPER: Mapping[tuple[str, int], tuple[float, float]] = MappingProxyType(
    {  # He et al. (2017): no table has GMF; MLP-4 of tables 3 and 4; NeuMF of table 2
        ("mlp", 8): (0.678, 0.406),
        ("mlp", 16): (0.690, 0.415),
        ("mlp", 32): (0.699, 0.423),
        ("mlp", 64): (0.707, 0.432),
        ("neumf", 8): (0.688, 0.410),
        ("neumf", 16): (0.696, 0.420),
        ("neumf", 32): (0.701, 0.425),
        ("neumf", 64): (0.705, 0.426),
        ("neumf-pretrained", 8): (0.684, 0.403),
        ("neumf-pretrained", 16): (0.707, 0.426),
        ("neumf-pretrained", 32): (0.726, 0.445),
        ("neumf-pretrained", 64): (0.730, 0.447),
    }
)
IALS_192 = (0.7310, 0.4531)  # the higher of irspack's figure and of one measured with Google's settings
