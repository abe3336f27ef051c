"""Macro-F1 of several labels a document, each at the threshold that suits it best.

Rare labels seldom reach a probability of one half, least of all in the first epochs: at that threshold the figure stays
at 0 while the model learns, and training would stop early at a model that knows nothing. Evaluation does not use one
half either, see `evaluation.thresholds`.

Shapes: N documents, C labels.
"""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class LabelF1(Metric):
    """Mean of the labels' largest F1 [C] over all thresholds, of the labels that occur; 0 if none does.

    The macro-F1 that evaluation reports on the same documents, after it has fitted its thresholds on them.
    """

    full_state_update = False
    higher_is_better = True
    logits: list[Tensor]
    truth: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("logits", "truth"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, logits_BC: Tensor, labels_BC: Tensor) -> None:
        self.logits.append(logits_BC.detach().float())
        self.truth.append(labels_BC > 0.5)

    def compute(self) -> Tensor:
        sorted_NC, order_NC = dim_zero_cat(self.logits).sort(dim=0, descending=True)
        truth_NC = dim_zero_cat(self.truth)
        support_C = truth_NC.sum(dim=0)
        hits_NC = truth_NC.gather(0, order_NC).cumsum(dim=0)
        num_taken_N = torch.arange(1, len(truth_NC) + 1, device=truth_NC.device)
        f1_NC = 2 * hits_NC / (num_taken_N[:, None] + support_C)
        f1_NC[:-1][sorted_NC[:-1] == sorted_NC[1:]] = 0.0  # equal logits cannot be parted
        occurs_C = support_C > 0
        return f1_NC.amax(dim=0)[occurs_C].sum() / occurs_C.sum().clamp_min(1)
