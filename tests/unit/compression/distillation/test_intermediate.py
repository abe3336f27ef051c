"""Losses on a teacher's inside, against their formulas in plain loops."""

import math

import pytest
import torch

from tests.tiny_model import DECODERS, ENCODERS, outspoken, tiny_encoder, tiny_transformer
from textmill.compression.distillation.intermediate import (
    IntermediateTargets,
    Pupil,
    Recorder,
    common_heads,
    find_projections,
    hidden_distance,
    relation_divergence,
    watched,
)
from textmill.models.depth import keep_layers
from textmill.models.encoder_parts import find_blocks

MASK_WT = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])


def draw(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch(num_documents=4, length=7):
    ids_WT = torch.randint(5, 50, (num_documents, length), generator=torch.Generator().manual_seed(1))
    mask_WT = (torch.arange(length) < torch.arange(length, length - num_documents, -1)[:, None]).long()
    indices = torch.arange(num_documents)
    return {
        "input_ids_WT": ids_WT,
        "attention_mask_WT": mask_WT,
        "document_W": indices,
        "labels_B": indices % 2,
        "index_B": indices,
    }


def no_loss(logits_BC, _):
    return logits_BC.sum() * 0


@pytest.mark.parametrize("distance", ["mse", "cosine"])
def test_hidden_distance_is_the_mean_over_tokens(distance):
    student, teacher = draw(2, 4, 6), draw(2, 4, 6, seed=2)
    apart = []
    for w, t in MASK_WT.nonzero().tolist():
        s, r = student[w, t], teacher[w, t]
        apart.append((s - r).pow(2).mean() if distance == "mse" else 1 - s @ r / (s.norm() * r.norm()))
    torch.testing.assert_close(hidden_distance(student, teacher, MASK_WT, distance), torch.stack(apart).mean())
    assert hidden_distance(student, student, MASK_WT, distance).item() == pytest.approx(0, abs=1e-6)


def test_relation_divergence_is_that_of_the_paper():
    """Widths 12 and 6, in 3 heads: of 4 and of 2 features."""
    teacher, student = [draw(2, 4, 12, seed=s) for s in (1, 2, 3)], [draw(2, 4, 6, seed=s) for s in (4, 5, 6)]
    expected = 0.0
    for of_teacher, of_student in zip(teacher, student, strict=True):
        parts = []
        for w, t in MASK_WT.nonzero().tolist():
            length = int(MASK_WT[w].sum())
            for head in range(3):
                relations = []
                for one, size in ((of_teacher, 4), (of_student, 2)):
                    vectors = one[w, :length, head * size : (head + 1) * size]
                    relations.append(torch.softmax(vectors @ vectors[t] / math.sqrt(size), dim=0))
                p, q = relations
                parts.append((p * (p / q).log()).sum())
        expected += torch.stack(parts).mean()
    torch.testing.assert_close(relation_divergence(student, teacher, MASK_WT, 3), expected)
    assert relation_divergence(teacher, teacher, MASK_WT, 3).item() == pytest.approx(0, abs=1e-6)


def test_padding_changes_no_loss_and_has_no_gradient():
    student, teacher = draw(2, 4, 6).requires_grad_(), draw(2, 4, 6, seed=2)
    other = student.detach().clone()
    other[1, 2:] = 50.0
    for loss in (
        lambda states: hidden_distance(states, teacher, MASK_WT, "mse"),
        lambda states: relation_divergence([states] * 3, [teacher] * 3, MASK_WT, 2),
    ):
        torch.testing.assert_close(loss(student), loss(other))
        (gradient,) = torch.autograd.grad(loss(student), student)
        assert gradient[1, 2:].abs().max() < 1e-7 < gradient[0].abs().max()
        assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("widths", "most", "expected"), [((12, 6), 3, 3), ((12, 6), 4, 3), ((32, 24), 4, 4), ((7, 5), 4, 1)]
)
def test_relation_heads_divide_both_widths(widths, most, expected):
    assert common_heads(*widths, most) == expected


@pytest.mark.parametrize("model_type", sorted({*ENCODERS, *DECODERS} - {"albert"}))
def test_queries_keys_and_values_are_found_in_every_architecture(model_type):
    model = outspoken(tiny_encoder(model_type))
    found = find_projections(find_blocks(model.encoder)[-1])
    assert found is not None
    recorder = Recorder(model, watched(model, [0, 1], relations=True))
    given = batch()
    model(given["input_ids_WT"], given["attention_mask_WT"])
    states = recorder.take()
    assert states["layer 1"].shape == (4, 7, 32)
    assert all(states[role].shape[:2] == (4, 7) for role in found)
    expected = model.encoder(
        input_ids=given["input_ids_WT"], attention_mask=given["attention_mask_WT"], output_hidden_states=True
    ).hidden_states
    torch.testing.assert_close(states["layer 0"], expected[1])


def test_a_recorder_keeps_the_last_call_and_leaves_when_told():
    model = tiny_transformer()
    recorder = Recorder(model, watched(model, [0], relations=False))
    first, second = batch(), batch(length=5)
    for given in (first, second):
        model(given["input_ids_WT"], given["attention_mask_WT"])
    assert recorder.take()["layer 0"].shape[:2] == (4, 5)
    assert recorder.take() == {}
    recorder.stop()
    model(first["input_ids_WT"], first["attention_mask_WT"])
    assert recorder.take() == {}
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def targets(student, teacher, pairs, hidden=None, relations=None):
    pupil = Pupil(student, len(pairs), teacher.head.in_features if hidden else None)
    return pupil, IntermediateTargets(no_loss, pupil, teacher, pairs, hidden, relations)


def answer(pupil, loss, given):
    return loss(pupil(given["input_ids_WT"], given["attention_mask_WT"]), given)


def test_a_copy_of_the_teacher_has_nothing_to_learn():
    teacher = outspoken(tiny_transformer(num_layers=3))
    pairs = [(0, 0), (1, 1), (2, 2)]
    hidden = {"weight": 1.0, "layers": "uniform", "distance": "mse"}
    pupil, loss = targets(keep_layers(teacher, [0, 1, 2]), teacher, pairs, hidden, {"weight": 1.0})
    assert answer(pupil, loss, batch()).item() == pytest.approx(0, abs=1e-6)


def test_weights_and_pairs_make_the_loss():
    teacher = outspoken(tiny_transformer(num_layers=3))
    student, given = outspoken(keep_layers(teacher, [1, 2])), batch()
    inputs = (given["input_ids_WT"], given["attention_mask_WT"])
    (_, *of_teacher), (_, *of_student) = (
        model.encoder(*inputs, output_hidden_states=True).hidden_states for model in (teacher, student)
    )
    mask = given["attention_mask_WT"]
    expected = [hidden_distance(of_student[i], of_teacher[j], mask, "cosine") for i, j in ((0, 1), (1, 2))]
    hidden = {"weight": 3.0, "layers": "uniform", "distance": "cosine"}
    pupil, loss = targets(student, teacher, [(0, 1), (1, 2)], hidden)
    torch.testing.assert_close(answer(pupil, loss, given), 3.0 * sum(expected) / 2)
    attention = [model.layers[-1].attention.self for model in (student, teacher)]
    states = [of_student[0], of_teacher[1]]
    projected = [[part(s) for part in (a.query, a.key, a.value)] for a, s in zip(attention, states, strict=True)]
    loss.stop()
    pupil, loss = targets(student, teacher, [], None, {"weight": 0.5})
    torch.testing.assert_close(answer(pupil, loss, given), 0.5 * relation_divergence(*projected, mask, 4))


def test_a_thinner_student_is_compared_through_a_projection_that_learns():
    teacher = tiny_transformer()
    student = tiny_transformer(hidden_size=16)
    hidden = {"weight": 1.0, "layers": "last", "distance": "mse"}
    pupil, loss = targets(student, teacher, [(1, 1)], hidden, {"weight": 1.0})
    listed = [id(parameter) for group in pupil.depth_groups() for parameter in group]
    assert sorted(listed) == sorted(id(parameter) for parameter in pupil.parameters())
    assert pupil.projections[0].weight.shape == (32, 16)
    optimizer = torch.optim.AdamW(pupil.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        value = answer(pupil, loss, batch())
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(parameter.grad is None for parameter in teacher.parameters()), "the teacher is not trained"
    assert pupil.projections[0].weight.grad.abs().sum() > 0
