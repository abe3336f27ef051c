import pytest
import torch
import torch.nn.functional as F

from tests.tiny_model import tiny_transformer
from textmill.models import attention
from textmill.models.attention import attend


def inputs(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(5, 3, 7, 4, generator=generator, dtype=dtype).requires_grad_() for _ in range(3)]


def mask():
    lengths = torch.tensor([7, 1, 3, 7, 5])
    return (torch.arange(7) < lengths[:, None])[:, None, None, :].expand(5, 1, 7, 7)


@pytest.mark.parametrize("most_scores", [1, 3 * 49 * 2, 10**9])  # one window at a time, two, all
@pytest.mark.parametrize("masked", [False, True])
def test_equals_pytorchs_attention_and_its_gradients(monkeypatch, most_scores, masked):
    monkeypatch.setattr(attention, "MOST_SCORES", most_scores)
    hidden = mask() if masked else None
    gradient = torch.randn(5, 3, 7, 4, dtype=torch.float64)
    ours, theirs = inputs(), inputs()
    attended = attend(*ours, hidden, 0.5)
    expected = F.scaled_dot_product_attention(*theirs, attn_mask=hidden, scale=0.5)
    assert torch.allclose(attended, expected)
    attended.backward(gradient)
    expected.backward(gradient)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one.grad, other.grad)


def test_gradients_agree_with_differences():
    assert torch.autograd.gradcheck(lambda *qkv: attend(*qkv, mask(), 0.5), inputs())


def test_a_model_in_training_attends_by_it_and_its_gradients_stay():
    """In bf16 both differ from fp32; ours by no more than PyTorch's."""
    model = tiny_transformer()
    ids = torch.randint(5, 50, (6, 12), generator=torch.Generator().manual_seed(1))
    mask = (torch.arange(12) < torch.tensor([12, 4, 7, 12, 1, 9])[:, None]).long()

    def gradients(bf16):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(ids, mask).float()
        F.cross_entropy(logits, ids[:, 0] % 2).backward()
        return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    exact, theirs = gradients(bf16=False), gradients(bf16=True)
    model.set_training(True)
    ours = gradients(bf16=True)
    assert not torch.equal(ours, theirs)
    assert (ours - exact).norm() < 1.5 * (theirs - exact).norm() < 0.1 * exact.norm()
    model.set_training(False)
    assert torch.equal(gradients(bf16=True), theirs)
