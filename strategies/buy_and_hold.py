"""In the market from the first forecast to the last: what every other strategy is compared with."""

from lstm_signal import ForecastStrategy


class BuyAndHold(ForecastStrategy):
    """
    Buy Logic
        the first bar with a forecast: long, whatever it says.
    Sell Logic
        none.
    Order Execution
        at `fill`, the next open by default; 95 % of equity, as every other strategy.
    """

    def signal(self) -> float:
        return 1.0


if __name__ == "__main__":
    from lstm_signal.cli import main

    main("backtest", "--strategy", __file__)
