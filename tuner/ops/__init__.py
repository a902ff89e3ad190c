"""The operators that tunefleet defines itself, in the forms that its templates schedule."""

from tuner.ops.batched_matmul import batched_matmul
from tuner.ops.dense import (
    LANES,
    NARROW,
    dense,
    dense_narrow,
    pack_dense,
    pack_narrow,
    packed_shape,
)
from tuner.ops.embedding_bag import OffsetBags, bag_from_offsets, embedding_bag
from tuner.ops.embedding_concat import (
    BagSegment,
    CopySegment,
    Segment,
    embedding_concat,
)
from tuner.ops.gather import gather, pick_pairs
from tuner.ops.operator import OPERATOR
from tuner.ops.pair_dots import DotSegment, PairDots, pair_dots, runs_of
from tuner.ops.softmax import softmax

#: Names of the kernels that read ``table, indices`` unchecked, along axis 0 of the table.
GATHERS = ("embedding_bag", "bag_from_offsets", "gather")

__all__ = [
    "GATHERS",
    "LANES",
    "NARROW",
    "OPERATOR",
    "BagSegment",
    "CopySegment",
    "DotSegment",
    "OffsetBags",
    "PairDots",
    "Segment",
    "bag_from_offsets",
    "batched_matmul",
    "dense",
    "dense_narrow",
    "embedding_bag",
    "embedding_concat",
    "gather",
    "pack_dense",
    "pack_narrow",
    "packed_shape",
    "pair_dots",
    "pick_pairs",
    "runs_of",
    "softmax",
]
