"""Long while the forecast is strongly up, short while it is strongly down."""

from lstm_signal import ForecastStrategy


class LongShort(ForecastStrategy):
    """
    Buy Logic
        strength above `threshold`: long.
    Sell Logic
        strength below -`threshold`: short; between the two: flat.
    Order Execution
        at `fill`, the next open by default; 95 % of equity, topped up or cut back on drift.
    """

    params = (("threshold", 0.5),)

    def signal(self) -> float:
        if self.strength[0] > self.p.threshold:
            return 1.0
        return -1.0 if self.strength[0] < -self.p.threshold else 0.0


if __name__ == "__main__":
    from lstm_signal.cli import main

    main("backtest", "--strategy", __file__)
