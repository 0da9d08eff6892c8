"""What may be wrong with bars that are valid: doubts, which warn and stop nothing, each naming its bars."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lstm_signal.bars import ROUNDING, as_prices, fake_opens, outside, stamps_of
from lstm_signal.errors import PriceWarning

LONGEST_GAP = 5  # calendar days between daily bars; a long weekend has 4
FROZEN = 5  # bars with the same four prices, one after the other
SPIKE = 0.4  # of a close that is gone again with the next bar: log ratio to the bars beside it
SPLITS = (1.5, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 40, 50, 100)


@dataclass(frozen=True)
class Doubt:
    """One thing that looks wrong.

    Attributes
    ----------
    kind : {"gap", "frozen", "split", "spike", "open", "outside", "returns"}
    first, last : Timestamp
        The bars it is about.
    text : str
    """

    kind: str
    first: pd.Timestamp
    last: pd.Timestamp
    text: str

    def describe(self) -> dict[str, str]:
        """Return the doubt for a JSON document."""
        return {"kind": self.kind, "first": self.first.isoformat(), "last": self.last.isoformat(), "text": self.text}


def doubts(prices: pd.DataFrame) -> list[Doubt]:
    """Return what looks wrong with valid bars, in the order of time.

    Parameters
    ----------
    prices : DataFrame, shape (bars, 6)

    Returns
    -------
    list of Doubt
        Daily gaps over 5 calendar days; the same four prices 5 bars or more in a row; jumps that look like an
        unadjusted split; a close far off those beside it; years whose opens are copies of the previous close; an
        open or close a little outside the bar's high and low; a series that looks like returns instead of prices.

    Raises
    ------
    InputError
        If the bars are not valid.

    Examples
    --------
    >>> from lstm_signal import sample_prices
    >>> for doubt in doubts(sample_prices()):
    ...     print(doubt.kind, doubt.text)
    gap no bars for 7 days, 2001-09-10 to 2001-09-17
    """
    prices = as_prices(prices)
    found = [doubt for rule in _RULES for doubt in rule(prices)]
    return sorted(found, key=lambda doubt: doubt.first)


def warn_of_doubts(prices: pd.DataFrame, name: str) -> None:
    """Warn once of all doubts about prices that have just been read."""
    # Copied opens are refused, not doubted, by all that would trade at them.
    found = [doubt for doubt in doubts(prices) if doubt.kind != "open"]
    if found:
        more = f", and {len(found) - 3} more" if len(found) > 3 else ""
        told = "; ".join(doubt.text for doubt in found[:3])
        warnings.warn(f"{name}: {told}{more}. `lstm-signal fetch ... --check` lists all.", PriceWarning, stacklevel=3)


def _gaps(prices: pd.DataFrame) -> Iterator[Doubt]:
    stamps = stamps_of(prices)
    days = np.diff(stamps.normalize().asi8) / 86_400e9
    if len(days) and np.median(days) <= 1:  # daily or finer
        for row in np.flatnonzero(days > LONGEST_GAP).tolist():
            first, last = stamps[row], stamps[row + 1]
            yield Doubt("gap", first, last, f"no bars for {days[row]:.0f} days, {_day(first)} to {_day(last)}")


def _frozen(prices: pd.DataFrame) -> Iterator[Doubt]:
    four = prices[["open", "high", "low", "close"]].to_numpy()
    flat = (four == four[:, 3:]).all(axis=1)
    same = np.concatenate([[False], flat[1:] & flat[:-1] & (four[1:, 3] == four[:-1, 3])])
    run = np.cumsum(~same)  # a new number wherever the prices move
    for _, rows in prices.groupby(run):
        if len(rows) >= FROZEN:
            first, last = rows.index[0], rows.index[-1]
            yield Doubt("frozen", first, last,
                        f"{len(rows)} bars with the same four prices, {_day(first)} to {_day(last)}")  # fmt: skip


def _splits(prices: pd.DataFrame) -> Iterator[Doubt]:
    close, opens = prices["close"].to_numpy(), prices["open"].to_numpy()
    jumps = np.log(close[1:] / close[:-1])
    gaps = np.log(opens[1:] / close[:-1])  # a split is in the open already; a crash mostly comes after it
    usual = 10 * np.median(np.abs(jumps)) if len(jumps) else 0.0
    for ratio in SPLITS:
        for size, told in ((-np.log(ratio), f"{ratio:g} for 1"), (np.log(ratio), f"1 for {ratio:g}")):
            near = (np.abs(jumps - size) < 0.05) & (np.abs(gaps - size) < 0.05) & (np.abs(jumps) > usual)
            for row in np.flatnonzero(near).tolist():
                stamp = prices.index[row + 1]
                yield Doubt("split", stamp, stamp, f"a jump of {np.expm1(jumps[row]):+.0%} on {_day(stamp)}, like an "
                                                   f"unadjusted split of {told}")  # fmt: skip


def _spikes(prices: pd.DataFrame) -> Iterator[Doubt]:
    close = np.log(prices["close"].to_numpy())
    there, back = np.abs(np.diff(close))[:-1], np.abs(close[2:] - close[:-2])
    for row in np.flatnonzero((there > SPIKE) & (back < SPIKE / 4)).tolist():
        stamp = prices.index[row + 1]
        change = float(np.expm1(close[row + 1] - close[row]))
        yield Doubt("spike", stamp, stamp, f"the close of {_day(stamp)} is {change:+.0%} off those beside it")


def _copied_opens(prices: pd.DataFrame) -> Iterator[Doubt]:
    years = stamps_of(prices).year
    for year, share in fake_opens(prices).items():
        rows = prices.index[years == year]
        yield Doubt("open", rows[0], rows[-1], f"{share:.0%} of the opens of {year} are copies of the previous close")


def _outside(prices: pd.DataFrame) -> Iterator[Doubt]:
    for column in ("open", "close"):
        by = outside(prices, column)
        rows = np.flatnonzero(by > ROUNDING)
        if len(rows):
            first, last = prices.index[rows[0]], prices.index[rows[-1]]
            yield Doubt("outside", first, last, f"{column} up to {by.max():.2%} outside high and low on {len(rows)} "
                                                f"bar(s), {_day(first)} to {_day(last)}")  # fmt: skip


def _returns(prices: pd.DataFrame) -> Iterator[Doubt]:
    levels = np.log(prices["close"].to_numpy())
    # Von Neumann's ratio: 2 for a series without memory, near 0 for prices, which keep their level.
    if len(levels) >= 50 and levels.var() > 0 and np.mean(np.diff(levels) ** 2) > levels.var():
        first, last = prices.index[0], prices.index[-1]
        yield Doubt("returns", first, last, "the close has no memory of its level: returns or percent, not prices?")


def _day(stamp: pd.Timestamp) -> str:
    return f"{stamp:%Y-%m-%d}" if stamp == stamp.normalize() else f"{stamp:%Y-%m-%d %H:%M}"


_RULES: tuple[Callable[[pd.DataFrame], Iterator[Doubt]], ...] = (
    _gaps, _frozen, _splits, _spikes, _copied_opens, _outside, _returns,
)  # fmt: skip
