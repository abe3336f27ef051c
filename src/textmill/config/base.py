"""What all sections of params.yaml share: a strict base class and the types of their values."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """No key may be unknown, none may be missing: the models have no defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
