"""For methods of users: what their settings are made of."""

from pydantic import Field

from hpmkd.config.fields import Fraction, NonNegative, Positive, PositiveInt, Section

__all__ = ["Field", "Fraction", "NonNegative", "Positive", "PositiveInt", "Section"]
