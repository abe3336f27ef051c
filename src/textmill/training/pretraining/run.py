"""One pretraining run, which can be killed and continued."""

import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn

from textmill.data.batches import ordered_batches, train_batches
from textmill.data.tokenization.tokenizer import load_tokenizer
from textmill.data.tokens import read_meta
from textmill.long_documents import find_special
from textmill.training.callbacks import ProgressBar
from textmill.training.checkpoints import AtomicCheckpoints, LastState, find_last
from textmill.training.dataset import TrainingData
from textmill.training.devices import trainer_arguments
from textmill.training.failures import memory_explained
from textmill.training.fit import quiet
from textmill.training.pretraining.curve import PerplexityCurve, PerplexityLines, Row
from textmill.training.pretraining.language_model import LanguageModel, Objective
from textmill.training.pretraining.lit_language_model import LitLanguageModel
from textmill.training.pretraining.masking import Masking, find_mask_id
from textmill.training.pretraining.next_sentence import PairMaker
from textmill.training.pretraining.objectives import MaskedTokens, NextTokens
from textmill.training.settings import Settings, TrainerSettings
from textmill.training.throughput import Throughput
from textmill.training.words import Vocabulary


@dataclass(frozen=True)
class Pretrained:
    """The rows have epoch, step, train_loss, validation_loss and perplexity; epoch 0 is the model as it was built."""

    curves: list[Row]

    @property
    def perplexities(self) -> tuple[float, float]:
        """Before and after."""
        before, after = self.curves[0]["perplexity"], self.curves[-1]["perplexity"]
        assert before is not None and after is not None
        return before, after


def build_objective(
    objective: Objective, tokens: Path, *, mask_share: float, whole_words: bool, next_sentence: bool
) -> nn.Module:
    """What the language model is asked about a batch of the tokens. Raises: NoMaskToken."""
    if objective == "clm":
        return NextTokens()
    meta, tokenizer = read_meta(tokens), load_tokenizer(tokens)
    masking = Masking(Vocabulary.of(tokenizer), find_mask_id(tokenizer), mask_share, whole_words=whole_words)
    if not next_sentence:
        return MaskedTokens(masking, None)
    return MaskedTokens(masking, PairMaker(*find_special(tokenizer), meta["pad_id"], meta["max_length"]))


def pretrain(
    model: LanguageModel,
    objective: nn.Module,
    data: TrainingData,
    settings: Settings,
    learning_rate: float,
    *,
    checkpoints: Path,
    logger: Any = False,
    progress: bool = True,
) -> Pretrained:
    """Train `model` in place, on one device.

    Args:
        data: the train split is learned from; perplexity is of the validation split.
        learning_rate: at its peak.
        checkpoints: where the state of an interrupted run is found and kept.
        logger: a Lightning logger, or False.

    Raises: DivergedTraining, OutOfMemory, UnfitDevice, UnusableCheckpoint.
    """
    settings = replace(settings, trainer=TrainerSettings(settings.trainer.accelerator))
    torch.manual_seed(settings.seed)
    curve, throughput = PerplexityCurve(), Throughput()
    show_bar = progress and sys.stdout.isatty()
    callbacks: list[Callback] = [throughput, curve, LastState(checkpoints, settings.checkpoint_minutes)]
    if progress:
        callbacks.append(ProgressBar("pretrain", throughput) if show_bar else PerplexityLines(throughput))
    size, budget = settings.batch_size, settings.batch_tokens
    batches = train_batches(data.train, data.pad_id, batch_size=size, batch_tokens=budget, seed=settings.seed)
    held_out = ordered_batches(data.validation, data.pad_id, batch_size=size, batch_tokens=budget)
    stamp = {"epochs": settings.epochs, "num_batches": len(batches), "seed": settings.seed}
    last = find_last(checkpoints, stamp)
    with quiet(), memory_explained(settings, data):
        trainer = pl.Trainer(
            **trainer_arguments(settings),
            max_epochs=settings.epochs,
            accumulate_grad_batches=settings.accumulate,
            gradient_clip_val=settings.gradient_clip,
            callbacks=callbacks,
            plugins=[AtomicCheckpoints()],
            logger=logger,
            num_sanity_val_steps=0,
            enable_progress_bar=show_bar,
            enable_model_summary=False,
        )
        num_steps = math.ceil(len(batches) / settings.accumulate) * settings.epochs
        lit = LitLanguageModel(model.train(), objective, settings, learning_rate, stamp, num_steps)
        if last is None:
            (figures,) = trainer.validate(lit, held_out, verbose=False)
            curve.before(figures)
        trainer.fit(lit, batches, held_out, ckpt_path=last, weights_only=True)
    model.to("cpu").eval()
    return Pretrained(curve.rows)
