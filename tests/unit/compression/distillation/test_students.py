import pytest
import torch

from tests.tiny_model import outspoken, tiny_encoder, tiny_model, tiny_transformer, write_tokens
from textmill.compression.distillation.students import (
    StudentNotSmaller,
    UnfitStudent,
    build_student,
    check_smaller,
    evenly_spaced,
    principal_directions,
    token_vectors,
)
from textmill.models.bert_layers import keep_feed_forward, keep_heads, keep_width
from textmill.models.depth import num_layers
from textmill.models.ensemble import Ensemble
from textmill.models.folder import load_model, save_model
from textmill.models.low_rank import make_low_rank
from textmill.models.size import num_parameters
from textmill.training.dataset import TrainingData

SMALL = {
    "lstm": {"hidden_size": 8, "num_layers": 1},
    "text_cnn": {"widths": [2, 3], "num_filters": 6},
    "bag_of_embeddings": {},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData.open(write_tokens(tmp_path_factory.mktemp("tokens"), 8, 8))


@pytest.fixture(scope="module")
def batch():
    ids_WT = torch.randint(5, 50, (4, 9), generator=torch.Generator().manual_seed(1))
    return ids_WT, (torch.arange(9) < torch.tensor([9, 7, 4, 1])[:, None]).long()


def of_layers(**settings):
    return {"family": "transformer", **settings}


@pytest.mark.parametrize(
    ("kept", "depth", "expected"),
    [(3, 6, [1, 3, 5]), (1, 6, [5]), (2, 6, [2, 5]), (5, 6, [0, 1, 3, 4, 5]), (6, 12, [1, 3, 5, 7, 9, 11])],
)
def test_layers_are_evenly_spaced(kept, depth, expected):
    assert evenly_spaced(kept, depth) == expected


@pytest.mark.parametrize(("settings", "expected"), [({"num_layers": 2}, [1, 3]), ({"layers": [0, 3]}, [0, 3])])
def test_a_student_starts_from_layers_of_the_teacher(data, settings, expected):
    teacher = tiny_transformer(num_layers=4)
    student = build_student(teacher, of_layers(**settings), data)
    assert list(student.origins) == expected
    for layer, origin in zip(student.model.layers, expected, strict=True):
        given = teacher.layers[origin].state_dict()
        assert all(torch.equal(tensor, given[name]) for name, tensor in layer.state_dict().items())
    assert torch.equal(student.model.head.weight, teacher.head.weight)


@pytest.mark.parametrize("model_type", ["bert", "electra", "modernbert", "distilbert", "gpt2", "llama", "qwen2"])
def test_a_thinner_student_is_of_the_teachers_architecture(data, batch, tmp_path, model_type):
    teacher = outspoken(tiny_encoder(model_type))
    settings = of_layers(num_layers=1, hidden_size=16, num_heads=2, feed_forward=24)
    student = build_student(teacher, settings, data).model
    assert student.encoder.config.model_type == model_type
    assert (num_layers(student), student.head.in_features) == (1, 16)
    assert num_parameters(student) < 0.6 * num_parameters(teacher)
    assert student.pooling == teacher.pooling
    shapes = {tuple(parameter.shape) for parameter in student.parameters()}
    assert any(24 in shape or 48 in shape for shape in shapes), "feed-forward units; gated ones are twice as many"
    save_model(tmp_path / "torch", student.eval(), {})
    assert torch.equal(load_model(tmp_path / "torch")[0](*batch), student(*batch))


def test_a_thinner_student_has_the_teachers_embeddings_in_their_main_directions(data):
    teacher = outspoken(tiny_transformer())
    student = build_student(teacher, of_layers(num_layers=2, hidden_size=16), data).model
    directions = principal_directions(token_vectors(teacher), 16)
    for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        of_teacher, of_student = (getattr(model.encoder.embeddings, name).weight for model in (teacher, student))
        torch.testing.assert_close(of_student, of_teacher @ directions)
    thin = build_student(teacher, of_layers(num_layers=2, feed_forward=8), data).model
    assert torch.equal(token_vectors(thin), token_vectors(teacher)), "as wide: as they are"


def test_main_directions_are_those_of_the_singular_values():
    embeddings = torch.randn(40, 8, generator=torch.Generator().manual_seed(2)) * torch.arange(8.0, 0, -1)
    directions = principal_directions(embeddings, 3)
    torch.testing.assert_close(directions.T @ directions, torch.eye(3), atol=1e-5, rtol=0)
    u, s, v = torch.linalg.svd(embeddings, full_matrices=False)
    best = u[:, :3] * s[:3] @ v[:3]
    torch.testing.assert_close(embeddings @ directions @ directions.T, best, atol=1e-4, rtol=1e-4)
    assert (directions.gather(0, directions.abs().argmax(0, keepdim=True)) > 0).all()


def test_a_teacher_that_was_cut_before_has_students_too(data, batch):
    """Other heads and units in each layer, less width, embeddings of a low rank."""
    teacher = outspoken(tiny_transformer(num_layers=3))
    keep_heads(teacher.layers[0], [1, 2])
    keep_feed_forward(teacher.layers[2], range(8))
    keep_width(teacher.encoder, teacher.head, range(24))
    make_low_rank(teacher, 8)
    with torch.no_grad():
        for parameter in teacher.encoder.get_input_embeddings().parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(1))
    whole = build_student(teacher, of_layers(num_layers=3), data).model
    torch.testing.assert_close(whole(*batch), teacher(*batch))
    vectors = token_vectors(teacher)
    assert vectors.shape == (50, 24)
    bag = build_student(teacher, {"family": "bag_of_embeddings", "embeddings": "teacher"}, data).model
    assert torch.equal(bag.embeddings.weight, vectors)
    thin = build_student(teacher, of_layers(num_layers=1, hidden_size=16), data).model
    torch.testing.assert_close(token_vectors(thin), vectors @ principal_directions(vectors, 16))
    with pytest.raises(UnfitStudent, match="hidden_size 24 with 16 heads"):
        build_student(teacher, of_layers(num_layers=1, num_heads=16), data)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("kind", ["bert", "electra", "gpt2", "lstm"])
def test_another_family_takes_the_teachers_embeddings(data, batch, name, kind):
    teacher = tiny_model("lstm", data.folder) if kind == "lstm" else tiny_encoder(kind)
    given = token_vectors(teacher)
    settings = {"family": name, "embeddings": "teacher", **SMALL[name]}
    student = build_student(teacher, settings, data).model
    assert student.family == name
    assert torch.equal(student.embeddings.weight, given)
    assert student.embeddings.weight.requires_grad
    narrow = build_student(teacher, {**settings, "embedding_size": 8}, data).model
    torch.testing.assert_close(narrow.embeddings.weight, given @ principal_directions(given, 8))
    own = build_student(teacher, {**settings, "embeddings": "own", "embedding_size": 5}, data).model
    assert own.embeddings.weight.shape == (50, 5)
    assert own(*batch).shape == (4, 2)


def test_spare_rows_of_the_teachers_embeddings_are_left_out(data):
    settings = {"family": "bag_of_embeddings", "embeddings": "teacher"}
    student = build_student(tiny_transformer(vocab_size=64), settings, data).model
    assert student.embeddings.num_embeddings == 50


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (of_layers(num_layers=3), StudentNotSmaller, r"3 layers, but the teacher has 2.*at most 1"),
        (of_layers(layers=[0, 5]), StudentNotSmaller, r"layer 5, but the teacher has 2.*some of \[0, 1\]"),
        (of_layers(num_layers=1, hidden_size=30), UnfitStudent, r"hidden_size 30 with 4 heads.*multiple"),
        (
            {"family": "bag_of_embeddings", "embeddings": "teacher", "embedding_size": 33},
            UnfitStudent,
            r"embedding_size 33, but they have 32",
        ),
    ],
)
def test_what_the_teacher_cannot_give_is_refused(data, settings, error, message):
    with pytest.raises(error, match=message):
        build_student(tiny_transformer(), settings, data)


def test_a_student_is_smaller_than_its_teacher(data):
    teacher = tiny_transformer()
    for settings in (of_layers(num_layers=2), of_layers(num_layers=2, hidden_size=64)):
        with pytest.raises(StudentNotSmaller, match=f"{num_parameters(teacher):,}: nothing would be gained"):
            check_smaller(build_student(teacher, settings, data).model, teacher)
    whole = build_student(teacher, of_layers(num_layers=2), data).model
    check_smaller(whole, Ensemble([teacher, tiny_transformer()]))
    lstm = tiny_model("lstm", data.folder)
    same = {"family": "lstm", "embeddings": "teacher", "hidden_size": 16, "num_layers": 2}
    with pytest.raises(StudentNotSmaller, match=r"\(lstm\)"):
        check_smaller(build_student(lstm, same, data).model, lstm)
