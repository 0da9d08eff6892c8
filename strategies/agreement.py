"""In the market only while several models agree."""

from lstm_signal import ForecastStrategy


class Agreement(ForecastStrategy):
    """
    Buy Logic
        every model's strength above `threshold`.
    Sell Logic
        every model's strength below -`threshold`: short. Else flat.
    Order Execution
        at `fill`, the next open by default; 95 % of equity.
    """

    params = (("threshold", 0.2),)

    def signal(self) -> float:
        strengths = [model.strength[0] for model in self.models]
        if min(strengths) > self.p.threshold:
            return 1.0
        return -1.0 if max(strengths) < -self.p.threshold else 0.0


if __name__ == "__main__":
    from lstm_signal.cli import main

    main("backtest", "--strategy", __file__)
