"""Run: what came of a backtest, as tables; its measures are made when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from lstm_signal.estimates import trading_estimates
from lstm_signal.forecasts import told_failures
from lstm_signal.measures import Traded
from lstm_signal.tables import html_lines, html_table, measure_cells, text_table
from lstm_signal.units import TRADING_ROWS, Measure, describe


@dataclass(frozen=True, eq=False)
class Run:
    """What came of trading one model's forecasts; from the first bar with a forecast to the last bar.

    Attributes
    ----------
    name, strategy : str
        The model's and the strategy's name.
    equity : Series
        Value of cash and position at each close, in money.
    returns, cash_returns : Series
        Simple returns of equity, and of cash at its rate, a fraction a bar.
    positions : DataFrame
        At each close: `size` [shares], `close`, `value`, `exposure` [value / equity], `cash`, and `borrow` and
        `interest` paid and earned since the start. Shares and prices are those of `total_return(prices)`.
    orders : DataFrame
        Every order sent: `sent`, `size`, `wanted` exposure, the `forecast`, `strength` and `threshold` it was sent
        for, the `fit` behind them and the last bar that it has seen (`data_through`), `status`.
    fills : DataFrame
        Every fill: `date` of the bar whose price it has, `sent`, `size`, `price`, `commission`, `slippage`.
    trades : DataFrame
        Every closed trade: `entry`, `exit`, `long`, `pnl` and `pnl_net` of commission and borrow.
    about : dict
        Fill, costs, cash, parameters, bars a year.
    measures : DataFrame
        By measure: `value`, `unit`, `reason` if it is undefined, `low` and `high` of its 95 % interval.
    flows : DataFrame
        What each bar's return is made of: see there.
    """

    name: str
    strategy: str
    equity: pd.Series
    returns: pd.Series
    cash_returns: pd.Series
    positions: pd.DataFrame
    orders: pd.DataFrame
    fills: pd.DataFrame
    trades: pd.DataFrame
    about: Mapping[str, Any] = field(repr=False)

    def __repr__(self) -> str:
        return f"<Run {self.name} by {self.strategy}, {len(self.equity)} bars>"

    def __str__(self) -> str:
        table, reasons = self._shown()
        return "\n".join([text_table(*table), *reasons])

    def _repr_html_(self) -> str:
        table, reasons = self._shown()
        return html_table(*table) + html_lines(reasons)

    def _shown(self) -> tuple[tuple[str, list[str], list[list[str]]], list[str]]:
        reasons: list[str] = []
        rows = measure_cells(TRADING_ROWS, {self.name: self.describe()}, reasons)
        reasons += [told_failures(name, failed) for name, failed in self.about["failed"].items()]
        span = f"{self.equity.index[0]:%Y-%m-%d} to {self.equity.index[-1]:%Y-%m-%d}"
        audit = "" if self.about["audited"] else ", unaudited forecasts"
        return (f"{self.name} by {self.strategy}, {span}{audit}", ["", self.name], rows), reasons

    def plot(self) -> Any:
        """Return a plotly figure of equity and drawdown."""
        from lstm_signal import figures

        nothing = pd.DataFrame({"model": [], "member": [], "equity": []})
        return figures.equity(self.returns.rename(self.name).to_frame(), nothing)

    def describe(self) -> dict[str, dict[str, Any]]:
        """Return the measures as JSON holds them: {value, unit}, and a reason where the value is null."""
        return describe(self._estimates)

    @cached_property
    def measures(self) -> pd.DataFrame:
        """By measure: `value` (NaN where it is undefined), `unit`, `reason`, `low` and `high` of its interval."""
        frame = pd.DataFrame(list(self._estimates.values()), index=list(self._estimates), columns=list(Measure._fields))
        return frame[["value", "unit", "reason", "low", "high"]].astype(
            {"value": "float64", "low": "float64", "high": "float64"}
        )

    @cached_property
    def _estimates(self) -> dict[str, Measure]:
        """The measures by their names, made when they are first asked for: a bootstrap takes as long as a backtest."""
        flows, fills, traded = self.flows, self.fills, (self.fills["size"] * self.fills["price"]).abs().sum()
        excess, columns = self.returns - self.cash_returns, (flows["traded"], flows["trading_costs"])
        bars = Traded(*(each.to_numpy() for each in (self.returns, excess, *columns)))
        costs = fills["commission"].sum() + fills["slippage"].sum() + self.positions["borrow"].iloc[-1]
        return trading_estimates(
            bars, self.positions["exposure"].to_numpy(), traded, costs, self.trades["pnl_net"].to_numpy(),
            len(self.trades) + bool(self.positions["size"].iloc[-1]), self.equity.mean(),
            self.about["periods_per_year"],
        )  # fmt: skip

    @cached_property
    def flows(self) -> pd.DataFrame:
        """What each bar's return is made of, fractions of the equity before it.

        `gross` + `interest` - `trading_costs` - `borrow` is the return; `held` is the exposure held into the bar,
        `asset` the asset's own simple return, and `traded` the value of what was traded.
        """
        bars, before = self.positions, self.equity.shift(1)
        fills = self.fills.assign(
            traded=(self.fills["size"] * self.fills["price"]).abs(),
            trading_costs=self.fills["commission"] + self.fills["slippage"],
        )
        by_bar = fills.groupby("date")[["traded", "trading_costs"]].sum().reindex(bars.index, fill_value=0.0)
        held = bars["exposure"].shift(1)
        if self.about["fill"] == "close":  # a fill at the close is in the books from the next bar on
            by_bar, held = by_bar.shift(1, fill_value=0.0), bars["size"] * bars["close"].shift(1) / before
        flows = by_bar.astype("float64").assign(borrow=bars["borrow"].diff(), interest=bars["interest"].diff())
        flows = flows.div(before, axis=0).assign(asset=bars["close"].pct_change(), held=held)
        flows = flows.iloc[1:]
        paid = flows["trading_costs"] + flows["borrow"] - flows["interest"]
        return flows.assign(gross=self.returns + paid)[[
            "asset", "held", "gross", "interest", "traded", "trading_costs", "borrow",
        ]]  # fmt: skip
