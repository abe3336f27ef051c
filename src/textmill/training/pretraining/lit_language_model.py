"""The LightningModule that pretrains a language model.

Shape suffixes as in `language_model` and `objectives`.
"""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch.nn.functional as F
from torch import Tensor, nn

from textmill.data.batches import Batch
from textmill.training.checkpoints import STAMP
from textmill.training.failures import DivergedTraining
from textmill.training.optimizer import build_optimizer, build_scheduler, step_mean_factor
from textmill.training.pretraining.language_model import Answer, LanguageModel
from textmill.training.pretraining.objectives import Question
from textmill.training.settings import Hyperparameters, Settings

# As BERT was trained, but for the warm-up, which is a share because short runs have few steps. There is no dropout:
# few passes over a text do not overfit, and attention without it is faster (Geiping and Goldstein 2023, Cramming:
# Training a Language Model on a Single GPU in One Day, https://proceedings.mlr.press/v202/geiping23a.html).
WEIGHT_DECAY, WARMUP_FRACTION = 0.01, 0.1
_VALIDATION = 2**32 - 1  # in the place of an epoch: the same tokens are hidden each time


class Step(NamedTuple):
    """What one step computed, still on its device: reading it waits for the step."""

    number: int  # optimizer steps before it
    epoch: int  # from 0
    learning_rate: float
    loss: Tensor  # scalar, of the tokens
    gradient_norm: Tensor | None = None  # before clipping; None between the batches of one step


class LitLanguageModel(pl.LightningModule):
    """Logs `validation_loss` and `perplexity`, which are of the tokens alone, and what pairs of segments gave.

    perplexity: exp of the mean cross-entropy over all held-out tokens that are asked for. With masked models that is
    a share of them, the same each time, and its perplexity does not compare with that of a causal model.

    Attributes:
        latest: of the last batch.
    """

    latest: Step

    def __init__(
        self,
        model: LanguageModel,
        objective: nn.Module,
        settings: Settings,
        learning_rate: float,
        stamp: dict[str, Any],
        num_steps: int,
    ):
        """
        Args:
            stamp: what the checkpoint says of this training.
            num_steps: of the optimizer, in all epochs. (Lightning's own figure sets up the loader before the
                checkpoint is read, and would start the epoch anew.)
        """
        super().__init__()
        self.model, self.objective = model, objective
        # At one rate: layer decay is for fine-tuning.
        self.settings = replace(settings, layer_decay=1.0)
        self.hyper = Hyperparameters(learning_rate, WEIGHT_DECAY, WARMUP_FRACTION, dropout=0.0)
        self._total_loss: Any = 0.0  # of the tokens that validation has asked for
        self._num_asked: Any = 0
        self._stamp, self._num_steps = stamp, num_steps
        self._unchecked: Step | None = None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.check_step()
        question, answer = self._ask(batch, self.current_epoch)
        loss = answer.loss
        if question.classes_W is not None and answer.continues_W2 is not None:
            pair_loss = F.cross_entropy(answer.continues_W2.float(), question.classes_W)
            self.log("next_sentence_loss", pair_loss, batch_size=len(question.classes_W))
            loss = loss + pair_loss
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.latest = Step(self.global_step, self.current_epoch, rate, answer.loss.detach())
        num_batches = int(self.trainer.num_training_batches)
        return loss * step_mean_factor(batch_idx, num_batches, self.settings.accumulate)

    def on_train_batch_end(self, *_: Any) -> None:
        self._unchecked = self.latest

    def check_step(self) -> None:
        """Look at the loss and the gradient of the step before, which a GPU has finished by now.

        Raises: DivergedTraining.
        """
        step, self._unchecked = self._unchecked, None
        if step is None:
            return
        # fp16 overflows now and then: its step is left out, and the scale lowered.
        may_overflow = self.trainer.precision == "16-mixed"
        norm = 0.0 if step.gradient_norm is None or may_overflow else float(step.gradient_norm)
        if not (math.isfinite(float(step.loss)) and math.isfinite(norm)):
            raise DivergedTraining(
                f"The loss of pretraining is {float(step.loss)} and its gradient norm {norm} at step {step.number} "
                f"(epoch {step.epoch + 1}), at learning rate {step.learning_rate:.3g}. Lower pretrain.learning_rate "
                f"({self.hyper.learning_rate:g}) or training.gradient_clip, or set training.precision: 32-true."
            )

    def validation_step(self, batch: Batch, _: int) -> None:
        question, answer = self._ask(batch, _VALIDATION)
        self._total_loss = self._total_loss + answer.loss.double() * answer.num_asked
        self._num_asked = self._num_asked + answer.num_asked
        if question.classes_W is not None and answer.continues_W2 is not None:
            right = (answer.continues_W2.argmax(1) == question.classes_W).float().mean()
            self.log("next_sentence_accuracy", right, batch_size=len(question.classes_W))

    def on_validation_epoch_end(self) -> None:
        loss = self._total_loss / self._num_asked
        self._total_loss, self._num_asked = 0.0, 0
        self.log("validation_loss", loss)
        self.log("perplexity", loss.exp(), prog_bar=True)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        # Lightning clips no gradients of a fused optimizer, for fp16's sake, where we do not use it.
        assert gradient_clip_val is not None
        norm = nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)
        self.latest = self.latest._replace(gradient_norm=norm)

    def configure_optimizers(self) -> Any:
        optimizer = build_optimizer(self.model, self.hyper, self.settings)
        scheduler = build_scheduler(optimizer, self.settings.schedule, self.hyper.warmup_fraction, self._num_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[STAMP] = self._stamp

    def _ask(self, batch: Batch, epoch: int) -> tuple[Question, Answer]:
        """What is hidden depends on seed, epoch and the batch's first document: a continued run hides the same."""
        place = [self.settings.seed, epoch, int(batch["index_B"][0])]
        seed = int(np.random.SeedSequence(place).generate_state(1)[0])
        question: Question = self.objective(batch, seed)
        answer = self.model(question.ids_WT, question.attention_mask_WT, question.targets_WT, question.token_types_WT)
        return question, answer
