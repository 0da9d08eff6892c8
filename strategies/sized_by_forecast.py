"""As much in the market as the forecast is strong, long or short."""

import math

from lstm_signal import ForecastStrategy


class SizedByForecast(ForecastStrategy):
    """
    Buy Logic
        exposure is the strength, clipped to -1 and 1 and rounded to `step`: half as strong as usual, half invested.
    Sell Logic
        the same: a negative strength is a short.
    Order Execution
        at `fill`, the next open by default, when the rounded exposure changes; 95 % of equity at most.
    """

    params = (("step", 0.25),)

    def signal(self) -> float:
        strength: float = self.strength[0]
        if math.isnan(strength):
            return 0.0
        rounded: float = self.p.step * round(strength / self.p.step)
        return min(1.0, max(-1.0, rounded))


if __name__ == "__main__":
    from lstm_signal.cli import main

    main("backtest", "--strategy", __file__)
