"""What bench_training runs in processes of their own, so that memory is theirs alone: `train` and `matrix_rate`."""

import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from textmill.data.batches import ordered_batches
from textmill.data.tokens import TokenArrays

LEARNING_RATES = {"tutorial": 5e-5, "tuned": 1e-4, "textmill": 1e-4}  # of the tutorial, Trainer's own default
BERT_BASE: dict[str, Any] = {"model_type": "bert", "vocab_size": 30522}  # the other keys have BERT base's values
REPEATS = 10


def train(contender: str, folder: Path, weights: Path, seed: int, options: dict[str, Any]) -> dict[str, Any]:
    """Train one contender on folder's tokens, then score the test documents, the same way for all of them.

    Returns: seconds, documents, documents_per_s of the training loop; finished (false if --minutes ended it), f1_macro
        on test, peak_mb of this process, gpu_peak_mb.
    """
    run = _textmill if contender == "textmill" else _trainer
    torch.manual_seed(seed)
    model, clock, precision = run(contender, folder, weights, seed, options)
    figures = clock.figures()
    figures["finished"] = clock.num_documents >= options["num_documents"] * options["epochs"]
    figures["f1_macro"] = _score(model, folder, options, precision) if figures["finished"] else None
    unit = 1e6 if sys.platform == "darwin" else 1e3
    figures["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
    if torch.cuda.is_available():
        figures["gpu_peak_mb"] = round(torch.cuda.max_memory_allocated() / 1e6)
    return figures


class Clock:
    """Seconds and documents of the training loop; what `pause` and `go_on` enclose is left out."""

    def __init__(self, minutes: float):
        self.limit = 60 * minutes
        self.seconds, self.num_documents, self._since = 0.0, 0, 0.0

    def go_on(self) -> None:
        _wait_for_gpu()
        self._since = time.perf_counter()

    def pause(self) -> None:
        _wait_for_gpu()
        self.seconds += time.perf_counter() - self._since

    def is_over(self) -> bool:
        return self.seconds + time.perf_counter() - self._since > self.limit

    def figures(self) -> dict[str, Any]:
        rate = self.num_documents / self.seconds
        return {
            "seconds": round(self.seconds, 1),
            "documents": self.num_documents,
            "documents_per_s": round(rate, 3 - min(2, int(np.log10(max(rate, 1))))),
        }


def _textmill(_: str, folder: Path, weights: Path, seed: int, options: dict[str, Any]) -> tuple[nn.Module, Clock, str]:
    import pytorch_lightning as pl

    from textmill.models.encoder_loading import load_encoder
    from textmill.models.transformer import Transformer
    from textmill.training.dataset import TrainingData
    from textmill.training.fit import fit
    from textmill.training.settings import Hyperparameters, Settings

    clock = Clock(options["minutes"])

    class Watch(pl.Callback):
        def on_train_start(self, *_: Any) -> None:
            clock.go_on()

        def on_validation_start(self, *_: Any) -> None:
            clock.pause()

        def on_validation_end(self, *_: Any) -> None:
            clock.go_on()

        def on_train_batch_end(self, trainer: pl.Trainer, _: Any, __: Any, batch: Any, ___: int) -> None:
            clock.num_documents += len(batch["index_B"])
            trainer.should_stop = trainer.should_stop or clock.is_over()

        def on_train_end(self, *_: Any) -> None:
            clock.pause()

    data = TrainingData.open(folder)
    if options["model"] == "bert-base":
        architecture = {"config": BERT_BASE, "num_labels": data.num_outputs, "pooling": "mean"}
        model = Transformer.from_architecture(architecture)
    else:
        model = Transformer(load_encoder(weights), data.num_outputs, "mean")
    settings = Settings(
        batch_size=options["batch_size"],
        batch_tokens=options["batch_tokens"],
        precision="auto",
        schedule="linear",
        gradient_clip=1.0,
        epochs=options["epochs"],
        patience=options["epochs"] + 1,
        seed=seed,
        packing=options["packing"],
    )
    hyper = Hyperparameters(LEARNING_RATES["textmill"], 0.01, warmup_fraction=0.1, dropout=options["dropout"])
    fit(model, data, settings, hyper, callbacks=[Watch()])
    return model, clock, "bf16" if _has_bf16() else "fp32"


def _trainer(
    contender: str, folder: Path, weights: Path, seed: int, options: dict[str, Any]
) -> tuple[nn.Module, Clock, str]:
    from transformers import (
        AutoConfig,
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    clock = Clock(options["minutes"])
    tuned = contender == "tuned"
    batch_size = options["batch_size"] if tuned else 8
    bf16 = tuned and _has_bf16()

    class Watch(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            clock.go_on()

        def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
            per_epoch = -(-options["num_documents"] // batch_size)
            epochs, steps = divmod(state.global_step, per_epoch)
            clock.num_documents = epochs * options["num_documents"] + steps * batch_size
            control.should_training_stop = control.should_training_stop or clock.is_over()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            clock.pause()

    train = TokenArrays.open(folder, "train")
    documents = [
        {"input_ids": train[i][0].astype(np.int64).tolist(), "labels": int(label)}
        for i, label in enumerate(train.labels)
    ]
    num_labels = int(train.labels.max()) + 1
    if options["model"] == "bert-base":
        values = {key: value for key, value in BERT_BASE.items() if key != "model_type"}
        config = AutoConfig.for_model("bert", num_labels=num_labels, **values)
        model = AutoModelForSequenceClassification.from_config(config)
    else:
        model = AutoModelForSequenceClassification.from_pretrained(weights, num_labels=num_labels)
    tokenizer = AutoTokenizer.from_pretrained(weights)
    padding = {"padding": True} if tuned else {"padding": "max_length", "max_length": options["max_length"]}
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"),
        num_train_epochs=options["epochs"],
        per_device_train_batch_size=batch_size,
        learning_rate=LEARNING_RATES[contender],
        weight_decay=0.01 if tuned else 0.0,
        warmup_steps=0.1 if tuned else 0,  # below 1: a share of the steps
        train_sampling_strategy="group_by_length" if tuned else "random",
        bf16=bf16,
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    collator = DataCollatorWithPadding(tokenizer, **padding)
    Trainer(model, arguments, collator, train_dataset=documents, callbacks=[Watch()]).train()
    return model, clock, "bf16" if bf16 else "fp32"


def _score(model: nn.Module, folder: Path, options: dict[str, Any], precision: str) -> float:
    """Macro-F1 on the test documents, in the arithmetic of training."""
    from sklearn.metrics import f1_score

    test = TokenArrays.open(folder, "test")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).eval()
    predicted = np.empty(len(test), np.int64)
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
        for batch in ordered_batches(test, 0, batch_size=64, batch_tokens=options["batch_tokens"]):
            answer = model(batch["input_ids_WT"].to(device), batch["attention_mask_WT"].to(device))
            logits_BC = getattr(answer, "logits", answer)
            predicted[batch["index_B"]] = logits_BC.argmax(1).cpu().numpy()
    return round(float(f1_score(test.labels, predicted, average="macro")), 4)


def matrix_rate(num_tokens: int, hidden: int, feed_forward: int) -> dict[str, float]:
    """TFLOP/s of plain matrix products: what training at these shapes could reach at best.

    The products are those of a layer's linear maps, forward and backward, for a batch of so many tokens, all of them
    contiguous; `own_shapes` is their FLOPs over their time, `square` is one large product.
    """
    shapes = []
    for rows, columns, count in ((hidden, hidden, 4), (hidden, feed_forward, 1), (feed_forward, hidden, 1)):
        forward, states, weights = (num_tokens, rows, columns), (num_tokens, columns, rows), (rows, num_tokens, columns)
        shapes += [shape for shape in (forward, states, weights) for _ in range(count)]
    size = 8192 if torch.cuda.is_available() else 2048
    dtype = torch.bfloat16 if _has_bf16() else torch.float32
    return {"own_shapes": _tflops(shapes, dtype), "square": _tflops([(size, size, size)], dtype)}


def _tflops(shapes: list[tuple[int, int, int]], dtype: torch.dtype) -> float:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    work = seconds = 0.0
    for m, k, n in shapes:
        left, right = torch.randn(m, k, device=device, dtype=dtype), torch.randn(k, n, device=device, dtype=dtype)
        times = []
        for _ in range(REPEATS):
            _wait_for_gpu()
            start = time.perf_counter()
            torch.mm(left, right)
            _wait_for_gpu()
            times.append(time.perf_counter() - start)
        work, seconds = work + 2 * m * k * n, seconds + min(times)
    return round(work / seconds / 1e12, 4)


def _has_bf16() -> bool:
    from textmill.training.devices import precision

    return bool(precision("auto", torch.cuda.is_available()) == "bf16-mixed")


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
