"""Numbers as people and JSON get them. Whatever is not defined is a dash for people and null in JSON, never an error.

The one place that divides what may be 0 or missing, and that writes numbers down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

MISSING = "-"
_LONG = 1e12


class Estimate(NamedTuple):
    """A number with its 95 % interval; NaN where it is not known."""

    value: float
    low: float
    high: float


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


def is_defined(value: Any) -> bool:
    """Whether `value` is a finite number; None, NaN, infinities, pandas' NA and what is no number are not."""
    try:
        return math.isfinite(value)
    except (TypeError, ValueError, OverflowError):
        return False


def divide(part: Any, whole: Any) -> float:
    """`part / whole`; NaN where one of them is not defined, or `whole` is 0."""
    if not (is_defined(part) and is_defined(whole)) or whole == 0:
        return math.nan
    ratio = float(part) / float(whole)
    return ratio if math.isfinite(ratio) else math.nan


def fixed(value: Any, digits: int, sign: bool = False) -> str:
    """With `digits` digits after the point, and with `sign` even a +; `1.23e+20` where it would fill a line."""
    if not is_defined(value):
        return MISSING
    return f"{float(value):{'+' * sign}.{digits}{'f' if abs(value) < _LONG else 'e'}}"


def percent(value: Any, digits: int = 2) -> str:
    """`96.20%`; the value is in percent."""
    return f"{fixed(value, digits)}%" if is_defined(value) else MISSING


def whole(value: Any) -> str:
    """`1,234`."""
    return (f"{int(value):,}" if abs(value) < _LONG else fixed(value, 2)) if is_defined(value) else MISSING


def digits(value: float) -> str:
    """A number as names have it: `2`, `0.3`, `0.00001`; every digit, no exponent, no zeros at the end."""
    text = format(Decimal(repr(float(value))), "f") if isinstance(value, float) else str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def p_value(value: Any, digits: int = 3) -> str:
    """With `digits` digits, and never 0: `<0.001`."""
    least = 10.0**-digits
    return f"<{least:.{digits}f}" if is_defined(value) and value < least else fixed(value, digits)


def p_phrase(value: Any, name: str = "p") -> str:
    """`p = 0.034`, `p < 0.001`; `name`: what it is called, such as `p (Holm)`."""
    text = p_value(value)
    return f"{name} < {text[1:]}" if text.startswith("<") else f"{name} = {text}"


def clock(seconds: Any) -> str:
    """Hours, minutes, seconds: `0:01:09`, `27:00:00`."""
    if not is_defined(seconds):
        return MISSING
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def json_ready(value: Any) -> Any:
    """Plain values for JSON, which knows neither NaN nor infinities: they become None, however deep they lie."""
    if isinstance(value, Mapping):
        return {name: json_ready(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
