"""The base of every part of the config, and the types of its values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

PositiveInt = Annotated[int, Field(ge=1)]
Epochs = Annotated[int, Field(ge=1, le=100_000)]
Fraction = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Smoothing = Annotated[float, Field(ge=0, lt=1)]
# A key that came later: where it has its default it is no part of a recipe, so that older fingerprints stay true.
OPTION: JsonDict = {"option": True}
# A key that the plan reads, not the loss: what it does shows elsewhere in the recipe.
PLAN: JsonDict = {"plan": True}


class Section(BaseModel):
    """Base of every part of the config: no unknown keys, no conversion, finite numbers, no change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
