"""The steps of a recipe, one file per method: what each is told."""

from typing import Annotated

from pydantic import Field

from textmill.config.steps.distill import DistillStep
from textmill.config.steps.engine import EngineStep
from textmill.config.steps.factorize_embeddings import FactorizeEmbeddingsStep
from textmill.config.steps.prune import PruneStep
from textmill.config.steps.quantize import QuantizeStep
from textmill.config.steps.sparsify import SparsifyStep
from textmill.config.steps.train_quantized import TrainQuantizedStep
from textmill.config.steps.trim_vocabulary import TrimVocabularyStep

Step = Annotated[
    EngineStep
    | QuantizeStep
    | TrainQuantizedStep
    | PruneStep
    | SparsifyStep
    | DistillStep
    | TrimVocabularyStep
    | FactorizeEmbeddingsStep,
    Field(discriminator="method"),
]
