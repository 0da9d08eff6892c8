"""Long while the forecast is strong, else out of the market."""

from lstm_signal import ForecastStrategy


class LongFlat(ForecastStrategy):
    """
    Buy Logic
        strength above `threshold`: the forecast return exceeds its usual size, above the mean.
    Sell Logic
        strength at or below `threshold`: flat.
    Order Execution
        at `fill`, the next open by default; 95 % of equity.
    """

    params = (("threshold", 0.5),)

    def signal(self) -> float:
        return 1.0 if self.strength[0] > self.p.threshold else 0.0


if __name__ == "__main__":
    from lstm_signal.cli import main

    main("backtest", "--strategy", __file__)
