import copy
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.stopping import Stopped, stop_recovery
from tests.tiny_model import (
    HYPER,
    META,
    SETTINGS,
    outspoken,
    tiny_encoder,
    tiny_model,
    tiny_transformer,
    write_tokens,
)
from textmill.bundle import read_manifest
from textmill.compression.distill import distill, unfit
from textmill.compression.distillation.intermediate import Recorder, hidden_distance, relation_divergence, watched
from textmill.compression.distillation.students import StudentNotSmaller, evenly_spaced
from textmill.compression.recipes import Step, run_recipe, why_not
from textmill.compression.recovery import Recovery
from textmill.config.steps.distill import DistillStep
from textmill.models.depth import num_layers
from textmill.models.ensemble import Ensemble
from textmill.models.folder import load_model, save_model
from textmill.runtime import Classifier
from textmill.training.dataset import TrainingData
from textmill.training.fit import fit, predict_logits

LAYERS = {"family": "transformer", "num_layers": 1}
BAG = {"family": "bag_of_embeddings", "embeddings": "teacher"}
STUDENTS = {
    "transformer": LAYERS,
    "bag_of_embeddings": BAG,
    "lstm": {"family": "lstm", "embeddings": "teacher", "embedding_size": 16, "hidden_size": 8, "num_layers": 1},
    "text_cnn": {"family": "text_cnn", "embeddings": "own", "embedding_size": 16, "widths": [1, 2], "num_filters": 8},
}


def teacher_of(name, tokens):
    """One whose answers differ from document to document."""
    if name == "ensemble":
        return Ensemble([outspoken(tiny_transformer()), outspoken(tiny_transformer(num_layers=3))])
    return outspoken(tiny_model("lstm", tokens) if name == "lstm" else tiny_encoder(name))


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("tokens"), num_train=64, num_validation=32)


@pytest.fixture
def teach(tokens, tmp_path):
    """Distils a teacher; each folder has its own state, and all share the answers of teachers."""

    def draft(teacher, student, folder="a", data=tokens, settings=SETTINGS, **step):
        recovery = Recovery(TrainingData.open(data), settings, HYPER, tmp_path / folder, answers=tmp_path / "answers")
        told = {"temperature": 2.0, "soft_weight": 0.5, "epochs": 1, "learning_rate": 1e-3, **step}
        return distill(teacher, recovery, student=student, **told)

    return draft


def same_weights(one, other):
    theirs = other.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in one.state_dict().items())


def test_a_student_starts_from_its_teacher(teach):
    teacher = tiny_transformer(num_layers=3)
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    student = teach(teacher, {**LAYERS, "num_layers": 2}, learning_rate=1e-12).model
    assert (len(student.layers), len(teacher.layers)) == (2, 3)
    for layer, origin in zip(student.layers, evenly_spaced(2, 3), strict=True):
        given = teacher.layers[origin].state_dict()
        for name, tensor in layer.state_dict().items():
            torch.testing.assert_close(tensor, given[name], atol=1e-6, rtol=1e-5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())
    with pytest.raises(StudentNotSmaller, match="at most 2"):
        teach(teacher, {**LAYERS, "num_layers": 4})


@pytest.fixture(scope="module")
def taught(tokens):
    """Teachers that have learned the labels."""
    data = TrainingData.open(tokens)
    found = {name: teacher_of(name, tokens) for name in ("bert", "gpt2", "lstm")}
    for model in found.values():
        fit(model, data, replace(SETTINGS, epochs=12, patience=12), replace(HYPER, learning_rate=1e-2))
    shifted = copy.deepcopy(found["bert"])
    with torch.no_grad():
        shifted.head.bias[0] += 4.0
    return {**found, "ensemble": Ensemble([found["bert"], shifted])}


@pytest.mark.parametrize("teacher", ["bert", "gpt2", "lstm", "ensemble"])
@pytest.mark.parametrize("student", STUDENTS)
def test_a_student_of_any_family_learns_what_its_teacher_answers(teach, taught, tokens, teacher, student):
    if (teacher, student) == ("lstm", "transformer"):
        pytest.skip("there is no such student")
    model, data = taught[teacher], TrainingData.open(tokens)
    rate = 2e-1 if student == "bag_of_embeddings" else 2e-2  # untrained embeddings are small
    draft = teach(model, STUDENTS[student], soft_weight=1.0, epochs=12, learning_rate=rate)
    answers, learned = (predict_logits(one, data.train, 0, 2, SETTINGS).softmax(-1) for one in (model, draft.model))
    guess = answers.mean(0, keepdim=True)
    assert (learned - answers).abs().mean() < 0.5 * (guess - answers).abs().mean()
    assert draft.model.family == student
    assert not draft.model.training
    sizes = draft.notes["parameters"]
    assert sizes["student"] == sum(p.numel() for p in draft.model.parameters()) < sizes["teacher"]


def test_the_teacher_is_asked_once_for_all_recipes(teach):
    teacher = tiny_transformer()
    first = teach(teacher, LAYERS)
    assert first.notes["asked_of_teacher"] == 64
    again = tiny_transformer()
    again.register_forward_pre_hook(lambda *_: pytest.fail("the teacher was asked again"))
    second = teach(again, STUDENTS["bag_of_embeddings"], folder="b", soft_weight=1.0)
    assert second.notes["asked_of_teacher"] == 0


INSIDE = {
    "hidden_states": {"weight": 1.0, "layers": "uniform", "distance": "mse"},
    "relations": {"weight": 1.0},
}


@pytest.mark.parametrize(
    ("student", "step"),
    [
        ({**LAYERS, "hidden_size": 16}, INSIDE),
        (STUDENTS["lstm"], {"augment": {"copies": 1, "swap": 0.2, "delete": 0.2, "typo": 0.0}}),
    ],
    ids=["inside", "augmented"],
)
def test_killed_and_started_again_it_gives_the_same_weights(teach, monkeypatch, student, step):
    settings = replace(SETTINGS, checkpoint_minutes=1e-9)
    undisturbed = teach(tiny_transformer(), student, folder="a", settings=settings, epochs=2, **step).model
    with monkeypatch.context() as patched:
        stop_recovery(patched, 6)
        with pytest.raises(Stopped):
            teach(tiny_transformer(), student, folder="b", settings=settings, epochs=2, **step)
    torch.rand(7)  # another process has drawn other numbers before
    resumed = teach(tiny_transformer(), student, folder="b", settings=settings, epochs=2, **step).model
    assert same_weights(resumed, undisturbed)


def test_what_is_compared_inside_comes_nearer_to_the_teacher(teach, tokens):
    """The student has the teacher's width, so that its states mean the same."""
    teacher = outspoken(tiny_transformer(num_layers=3))
    hidden = {"weight": 10.0, "layers": "last", "distance": "cosine"}
    taught = {"soft_weight": 0.0, "epochs": 4, "learning_rate": 5e-3}
    without = teach(teacher, LAYERS, folder="a", **taught).model
    with_states = teach(teacher, LAYERS, folder="b", hidden_states=hidden, **taught).model
    with_relations = teach(teacher, LAYERS, folder="c", relations={"weight": 10.0}, **taught).model
    ids_WT = torch.randint(5, 50, (16, 12), generator=torch.Generator().manual_seed(1))
    ones_WT = torch.ones_like(ids_WT)

    def states(model):
        return model.encoder(input_ids=ids_WT, attention_mask=ones_WT).last_hidden_state

    def projected(model):
        recorder = Recorder(model, watched(model, [], relations=True))
        model(ids_WT, ones_WT)
        given = recorder.take()
        recorder.stop()
        return [given[role] for role in ("queries", "keys", "values")]

    with torch.no_grad():
        apart = [hidden_distance(states(m), states(teacher), ones_WT, "cosine") for m in (without, with_states)]
        assert apart[1] < 0.8 * apart[0]
        of_teacher = projected(teacher)
        apart = [relation_divergence(projected(m), of_teacher, ones_WT, 4) for m in (without, with_relations)]
        assert apart[1] < 0.8 * apart[0]
    for model in (teacher, with_states, with_relations):
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
        assert not any("projection" in name for name in model.state_dict())


@pytest.mark.parametrize("model_type", ["gpt2", "modernbert", "distilbert", "qwen2"])
def test_students_of_other_architectures_learn_from_the_inside(teach, model_type):
    draft = teach(tiny_encoder(model_type), {**LAYERS, "hidden_size": 16, "num_heads": 2, "feed_forward": 16}, **INSIDE)
    assert (num_layers(draft.model), draft.model.head.in_features) == (1, 16)


def test_more_texts_and_changed_copies_are_learned_from(teach, tokens, tmp_path):
    """The labelled documents alone do not show the words of the other texts."""
    texts = tmp_path / "more.csv"
    texts.write_text("body\n" + "\n".join(f"w{5 + i % 5} w{10 + i % 2} w{12 + i % 38}" for i in range(40)))
    teacher = outspoken(tiny_transformer())
    draft = teach(
        teacher,
        STUDENTS["bag_of_embeddings"],
        transfer={"source": str(texts), "text": "body"},
        augment={"copies": 2, "swap": 0.0, "delete": 0.3, "typo": 0.0},
    )
    told = draft.notes["documents"]
    assert (told["train"], told["copies"], told["transfer"]["num_documents"]) == (64, 128, 40)
    assert draft.notes["asked_of_teacher"] == 64 + 128 + 40
    assert len(draft.data.train) == 64, "later steps of the recipe learn from the train split"


def run(tokens, folder, teacher, *steps, name="student"):
    save_model(folder / "trained/torch", teacher, {})
    recovery = Recovery(
        TrainingData.open(tokens), SETTINGS, HYPER, folder / f"state-{name}", answers=folder / "answers"
    )
    made = [Step(step.method, step.model_dump(exclude={"method"})) for step in steps]
    assert why_not(made, folder / "trained") is None
    run_recipe(made, folder / "trained", folder / name, recovery, {"key": "k"})
    return folder / name / "bundle"


def step(student, **settings):
    told = {"temperature": 2.0, "soft_weight": 0.5, "epochs": 1, "learning_rate": 1e-3, **settings}
    return DistillStep(method="distill", student=student, **told)


@pytest.mark.parametrize(
    ("teacher", "student"),
    [
        *(pytest.param("bert", student) for student in STUDENTS if student != "transformer"),
        *(pytest.param("gpt2", student, marks=pytest.mark.slow) for student in STUDENTS),
        pytest.param("bert", "transformer", marks=pytest.mark.slow),
    ],
)
def test_a_recipe_makes_a_bundle_of_the_student(tokens, tmp_path, teacher, student):
    bundle = run(tokens, tmp_path, teacher_of(teacher, tokens), step(STUDENTS[student]))
    manifest = read_manifest(bundle)
    assert manifest["family"] == student
    assert manifest["recipe"][0]["student"]["family"] == student
    model, _ = load_model(tmp_path / "student/torch")
    ids_WT = torch.tensor([[2, 10, 12, 13]])
    expected = model(ids_WT, torch.ones_like(ids_WT)).detach().numpy()
    np.testing.assert_allclose(Classifier.load(bundle).predict_logits(["w10 w12 w13"]), expected, atol=1e-4)


def test_the_same_recipe_gives_the_same_bytes(tokens, tmp_path):
    changed = step(STUDENTS["text_cnn"], augment={"copies": 1, "swap": 0.2, "delete": 0.2})
    made = [run(tokens, tmp_path, tiny_transformer(), changed, name=name) for name in ("one", "two")]
    assert len({(bundle / "model.onnx").read_bytes() for bundle in made}) == 1
    assert len({(bundle / "bundle.json").read_bytes() for bundle in made}) == 1


def test_several_labels_and_numbers_are_distilled(tokens, tmp_path):
    def rewrite(name, change, **meta):
        folder = tmp_path / name
        shutil.copytree(tokens, folder)
        for split in ("train", "validation"):
            np.save(folder / f"{split}.labels.npy", change(np.load(folder / f"{split}.labels.npy")))
        (folder / "tokens.json").write_text(json.dumps({**META, **meta}))
        return folder

    multi = rewrite("multi", lambda y: np.stack([y**0, y], 1).astype(np.uint8), task="multi_label")
    target = {"mean": 0.5, "std": 0.5}
    numbers = rewrite("numbers", lambda y: y.astype(np.float32), task="regression", labels=[], target=target)
    augment = {"copies": 1, "delete": 0.2}
    for data, outputs in ((multi, 2), (numbers, 1)):
        taught = step(STUDENTS["text_cnn"], augment=augment, soft_weight=0.9)
        bundle = run(data, tmp_path / f"of-{data.name}", tiny_transformer(num_labels=outputs), taught)
        assert Classifier.load(bundle).predict_logits(["w10 w12"]).shape == (1, outputs)


def test_what_does_not_apply_is_said(tokens):
    lstm, albert = tiny_model("lstm", tokens), tiny_encoder("albert")
    assert unfit(lstm, {"student": LAYERS}) == "distill to a transformer"
    assert unfit(albert, {"student": LAYERS}) == "distill to a transformer"
    for model in (lstm, albert, Ensemble([tiny_encoder("gpt2")] * 2)):
        assert unfit(model, {"student": STUDENTS["bag_of_embeddings"]}) is None
    assert unfit(tiny_encoder("gpt2"), {"student": LAYERS, **INSIDE}) is None


@pytest.mark.parametrize(
    ("student", "settings", "message"),
    [
        ({"family": "transformer"}, {}, "either num_layers or layers"),
        ({**LAYERS, "layers": [1]}, {}, "either num_layers or layers"),
        ({"family": "transformer", "layers": [2, 1]}, {}, r"must ascend, each once.*\[2, 1\]"),
        ({"family": "lstm", "embeddings": "own", "hidden_size": 8, "num_layers": 1}, {}, "needs an embedding_size"),
        (BAG, {"relations": {"weight": 1.0}}, "relations compares a transformer.*bag_of_embeddings has none"),
        (BAG, {"augment": {"copies": 2}}, "augment changes nothing"),
        (BAG, {"transfer": {"source": "a.csv", "text": "t"}, "soft_weight": 0.0}, "set soft_weight above 0"),
        ({"family": "gru"}, {}, "'transformer', 'lstm', 'text_cnn', 'bag_of_embeddings'"),
        ({**BAG, "num_layers": 2}, {}, "num_layers"),
    ],
)
def test_a_step_that_cannot_be_is_refused_before_anything_runs(student, settings, message):
    with pytest.raises(ValueError, match=message):
        step(student, **settings)
