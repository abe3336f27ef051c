"""What engine is told."""

from typing import Literal

from pydantic import Field

from textmill.config.steps.base import StepSection


class EngineStep(StepSection):
    method: Literal["engine"]
    name: Literal["openvino"] = Field(description="What runs the graph instead of onnxruntime.")
    precision: Literal["float32", "bfloat16"] = Field(
        description="Of the numbers between the layers; bfloat16 is for processors that have avx512_bf16 or AMX."
    )
