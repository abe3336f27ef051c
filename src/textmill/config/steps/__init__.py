"""The steps of a recipe, one file per method: what each is told."""

from typing import Annotated

from pydantic import Field

from textmill.config.steps.distill import DistillStep
from textmill.config.steps.prune import PruneStep
from textmill.config.steps.quantize import QuantizeStep

Step = Annotated[QuantizeStep | PruneStep | DistillStep, Field(discriminator="method")]
