"""Long while the forecast is strong, with the less money the wilder the market."""

import math

import backtrader as bt

from lstm_signal import ForecastStrategy


class VolatilityTarget(ForecastStrategy):
    """
    Buy Logic
        strength above `threshold`: long, exposure `volatility` / the last `period` bars' own (both a year), at most 1.
    Sell Logic
        strength at or below `threshold`: flat.
    Order Execution
        at `fill`, the next open by default, when the exposure, rounded to tenths, changes; 95 % of equity at most.
    """

    params = (("threshold", 0.5), ("volatility", 0.15), ("period", 20), ("periods_per_year", 252))

    def __init__(self) -> None:
        change = bt.indicators.PercentChange(self.data.close, period=1)
        self.deviation = bt.indicators.StandardDeviation(change, period=self.p.period)

    def signal(self) -> float:
        if not self.strength[0] > self.p.threshold:
            return 0.0
        own = self.deviation[0] * math.sqrt(self.p.periods_per_year)
        return round(min(1.0, self.p.volatility / own), 1) if own > 0 else 1.0


if __name__ == "__main__":
    from lstm_signal.cli import main

    main("backtest", "--strategy", __file__)
