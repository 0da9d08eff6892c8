"""What trading costs, and what cash earns."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd

from lstm_signal.errors import InputError


@dataclass(frozen=True)
class Costs:
    """What trading costs, as fractions of value.

    Attributes
    ----------
    commission : float
        Of an order's value.
    slippage : float
        Of the price, a side: buys fill higher, sells lower.
    borrow : float
        Of a short position's value, a year.

    Examples
    --------
    >>> Costs(slippage=0)
    Costs(commission=0.0001, slippage=0, borrow=0.005)
    """

    commission: float = 0.0001
    slippage: float = 0.0004
    borrow: float = 0.005

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
                raise InputError(
                    f"{name}={value!r} must be a fraction of value, from 0 to below 1 (0.0001 is a basis point)."
                )


def positive(name: str, value: float) -> float:
    """Return the value as a float; raise InputError, with its name, unless it is a positive number."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < np.inf:
        raise InputError(f"{name}={value!r} must be a positive number.")
    return float(value)


def cash_rates(cash_rate: float | pd.Series, stamps: pd.DatetimeIndex) -> pd.Series:
    """Return the annual rate of cash at each bar."""
    if isinstance(cash_rate, pd.Series):
        rates = cash_rate.sort_index().reindex(stamps, method="ffill").astype("float64")
    elif isinstance(cash_rate, Real):
        rates = pd.Series(float(cash_rate), index=stamps)
    else:
        raise InputError(f"cash_rate={cash_rate!r} must be an annual fraction, or a Series of them by date.")
    if not np.isfinite(rates).all():
        raise InputError(f"cash_rate is {rates[~np.isfinite(rates)].iloc[0]} at {rates.index[~np.isfinite(rates)][0]}: "
                         "give an annual fraction, from the first bar on.")  # fmt: skip
    return rates
