"""The sections of params.yaml about pretraining, training and cross-validation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from textmill.config.base import Count, Fraction, Positive, Section, Share


class Pretrain(Section):
    objective: Literal["none", "mlm", "clm"] = Field(
        description="Masked or causal language modelling on the user's own text before tune and train; none skips it. "
        "For model.family transformer only."
    )
    source: str | None = Field(
        description="More texts without labels: a file, folder, package:// or hf://datasets/ as for data.source, read "
        "with data.text; null takes the train split."
    )
    epochs: Count = Field(description="Passes over the texts.")
    learning_rate: Positive = Field(description="Peak learning rate.")
    mask_share: Share = Field(description="Share of the tokens that mlm asks for.")
    whole_words: bool = Field(description="Whether mlm masks whole words instead of single tokens.")
    next_sentence: bool = Field(description="BERT's next-sentence prediction beside mlm.")


class Loss(Section):
    class_weights: Literal["none", "balanced"] = Field(
        description="balanced weighs classes (or the positives of a label) by the inverse of their frequency."
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(description="Share of the target spread over all.")
    focal_gamma: Annotated[float, Field(ge=0, le=10)] = Field(
        description="Focuses on documents that are still wrong (focal loss); 0 is plain cross-entropy."
    )


class Lora(Section):
    rank: Count = Field(description="Rank of the update of each attention matrix.")
    alpha: Positive = Field(description="Scale of the update is alpha / rank.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(description="Dropout before the update.")


class Augmentation(Section):
    """Shares of the words of a train document that are changed, anew in every epoch; 0 leaves it off."""

    swap: Fraction = Field(description="Words that change places with their neighbour.")
    delete: Annotated[float, Field(ge=0, lt=1)] = Field(description="Words that are left out.")
    typo: Fraction = Field(description="Words that get a typing error.")
    replace: Fraction = Field(
        description="Words that the masked language model of models/pretrained replaces (pretrain.objective: mlm)."
    )


class Training(Section):
    batch_size: Count = Field(description="Most documents of a batch.")
    batch_tokens: Annotated[int, Field(ge=8)] | None = Field(
        description="Most tokens of a batch, padding included: long documents make smaller batches; null sets no limit."
    )
    accumulate: Count = Field(description="Batches of one optimizer step.")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        description="Arithmetic of training; auto takes bf16-mixed where the hardware has it."
    )
    schedule: Literal["linear", "cosine", "constant"] = Field(description="Decay after warm-up.")
    gradient_clip: Positive = Field(description="Largest gradient norm.")
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        description="Learning rate of a layer relative to the one above it (transformer); 1 is the same for all."
    )
    freeze_layers: Annotated[int, Field(ge=0)] = Field(
        description="Lowest layers, with the embeddings, that stay as they are (transformer); 0 trains everything."
    )
    lora: Lora | None = Field(
        description="Low-rank updates of frozen weights (transformer), merged at the end, or null."
    )
    packing: bool = Field(description="Whether documents are computed without padding between them (transformer).")
    averaging: Literal["none", "ema", "swa"] = Field(
        description="Weights that are kept: of the last step, an exponential moving average, or the mean over the "
        "last epochs (stochastic weight averaging)."
    )
    ema_decay: Share = Field(description="Share of the old average that is kept at each step (ema).")
    swa_start: Fraction = Field(description="Share of the steps after which weights are averaged (swa).")
    loss: Loss
    augmentation: Augmentation
    compile: bool = Field(description="torch.compile; on a CPU it cost minutes and brought nothing.")


class Trainer(Section):
    """Passed on to Lightning's Trainer."""

    accelerator: Literal["auto", "cpu", "gpu"] = Field(
        description="What to train on: also for pretrain, tune, crossvalidate and the recipes, which use one of them."
    )
    devices: Count | Literal["auto"] = Field(description="How many of them train uses.")
    strategy: Literal["auto", "ddp", "fsdp"] = Field(description="How several share the work.")


class Train(Section):
    epochs: Count = Field(description="Most epochs.")
    patience: Count = Field(description="Epochs without a better validation score before stopping.")
    num_seeds: Count = Field(
        description="Models trained, from seeds `seed`, `seed` + 1, ...; mean and spread are reported."
    )
    ensemble: bool = Field(
        description="Whether the models of all seeds become one that averages their answers, or the best one is kept."
    )
    checkpoint_minutes: Positive = Field(
        description="Minutes between checkpoints within an epoch, from which a killed run goes on."
    )
    trainer: Trainer

    @model_validator(mode="after")
    def _an_ensemble_has_members(self) -> "Train":
        if self.ensemble and self.num_seeds < 2:
            raise ValueError(f"ensemble averages several models: set num_seeds to 2 or more, not {self.num_seeds}")
        return self


class CrossValidate(Section):
    enabled: bool = Field(description="Train and score once per fold of the train split (split.num_folds).")
    epochs: Count = Field(description="Epochs of each fold.")
