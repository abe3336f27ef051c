import torch

from tests.tiny_model import tiny_model, tiny_transformer, write_tokens
from textmill.compression.pruning.cut import Sizes, applicable, cut, most_important
from textmill.models.depth import num_layers


def test_the_best_are_kept_and_no_group_is_emptied():
    scores = [torch.tensor([1.0, 9.0, 8.0, 7.0]), torch.tensor([1e-9, 3e-9])]
    assert most_important([scores[0], torch.zeros(2)], 3) == [[1, 2], [0]]
    assert [len(kept) for kept in most_important(scores, 1)] == [1, 1]
    assert most_important(scores, 6) == [[0, 1, 2, 3], [0, 1]]
    equal = [torch.ones(4), torch.ones(4)]
    assert sum(len(kept) for kept in most_important(equal, 4)) == 4, "ties do not keep more"


def test_layers_go_first_and_shares_are_of_what_those_left_once_had():
    model = tiny_transformer(num_layers=4)
    sizes = Sizes.read(model, ["layers", "feed_forward"])
    scores = {"layers": [torch.tensor([4.0, 1.0, 2.0, 3.0])], "feed_forward": [torch.rand(64) for _ in range(4)]}
    given = model.layers[3].attention.output.dense.weight
    smaller, left = cut(model, sizes, {"feed_forward": 0.25, "layers": 0.5}, scores)
    assert num_layers(smaller) == 2
    assert torch.equal(smaller.layers[1].attention.output.dense.weight, given)
    assert sum(layer.intermediate.dense.out_features for layer in smaller.layers) == 2 * 64 * 3 // 4
    assert left.of == {"layers": [4], "feed_forward": [64, 64]}


def test_each_layer_and_direction_of_an_lstm_keeps_as_many_units(tmp_path):
    model = tiny_model("lstm", write_tokens(tmp_path, 8, 8))
    assert applicable(model) == ["hidden", "width"]
    sizes = Sizes.read(model, ["hidden"])
    scores = {"hidden": [torch.arange(16.0) * 10**i for i in range(4)]}
    row = model.lstm.weight_ih_l1_reverse[15].clone()
    smaller, _ = cut(model, sizes, {"hidden": 0.75}, scores)
    assert smaller.architecture()["hidden_size"] == 4
    read = [*range(12, 16), *range(28, 32)]  # of both directions of the layer below
    assert torch.equal(smaller.lstm.weight_ih_l1_reverse[3], row[read])
