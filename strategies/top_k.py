"""The strongest of many, with equal money: the classic design of Fischer and Krauss (2018)."""

from lstm_signal import InputError, PortfolioStrategy


class TopK(PortfolioStrategy):
    """
    Fischer and Krauss, Deep learning with LSTM networks for financial market predictions, European Journal of
    Operational Research 270 (2018), doi:10.1016/j.ejor.2017.11.054.

    Buy Logic
        the `k` feeds of the greatest strength, each with the same money.
    Sell Logic
        no longer among them: sold. With ``short=True`` the `k` weakest are short, with the same money again.
    Order Execution
        at `fill`, the next open by default, for feeds with a new bar; 95 % of equity, long and short together.
        A place stays taken while its feed has no new bar. Equal again when one has drifted by `drift` of equity.
    """

    params = (("k", 1), ("short", False), ("drift", 0.02))

    def __init__(self) -> None:
        if not 1 <= self.p.k * (1 + self.p.short) <= len(self.datas):
            raise InputError(f"k={self.p.k} needs {self.p.k * (1 + self.p.short)} feeds, there are {len(self.datas)}.")

    def signals(self) -> dict[str, float]:
        spoken = [book for book in self.ready if book.strength[0] == book.strength[0]]  # NaN before 20 forecasts
        ranked = sorted(spoken, key=lambda book: -book.strength[0])
        long = self.p.k - sum((book.wanted or book.size) > 0 for book in self.tied)
        short = self.p.k - sum((book.wanted or book.size) < 0 for book in self.tied) if self.p.short else 0
        share = 1 / (self.p.k * (1 + self.p.short))
        wanted = {book.name: share for book in ranked[: max(0, long)]}
        return wanted | {book.name: -share for book in ranked[max(len(wanted), len(ranked) - max(0, short)) :]}


if __name__ == "__main__":
    from lstm_signal.cli import main

    main("backtest", "--strategy", __file__)
