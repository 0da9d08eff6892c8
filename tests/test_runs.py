"""Orders fill where `fill` says, costs are paid, and money adds up by a second, independent way."""

import warnings

import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls


class Broken(ls.ForecastStrategy):
    def signal(self) -> float:
        return 1 / 0


class Silent(ls.ForecastStrategy):
    def signal(self) -> None:
        return None


class Empty(ls.ForecastStrategy):
    pass


COSTS = ls.Costs(commission=0.001, slippage=0.002, borrow=0.05)
TARGETS = {"next_open": "open", "next_close": "next_close", "close": "close"}


def random_forecasts(prices: pd.DataFrame, target: str = "open", first: int = 30) -> ls.Forecasts:
    stamps = prices.index[first:]
    said = pd.DataFrame({"forecast": np.random.default_rng(0).normal(0, 0.01, len(stamps))}, index=stamps)
    return ls.Forecasts.from_frame(said, name="noise", target=target)


@pytest.fixture(params=["next_open", "next_close", "close"])
def run(request, year: pd.DataFrame) -> ls.Run:
    forecasts = random_forecasts(year, TARGETS[request.param])
    return ls.backtest(year, forecasts, "long_short", costs=COSTS, cash_rate=0.03)


def test_fills_stand_where_fill_says(run: ls.Run, year: pd.DataFrame) -> None:
    bars, fill = ls.total_return(year), run.about["fill"]
    assert len(run.fills) > 100
    for date, sent, _, size, price, commission, slippage in run.fills.itertuples(index=False):
        delay = 0 if fill == "close" else 1
        assert bars.index.get_loc(date) == bars.index.get_loc(sent) + delay
        own = bars.loc[date, "open" if fill == "next_open" else "close"]
        assert price == pytest.approx(own * (1 + np.sign(size) * COSTS.slippage), rel=1e-12)
        assert commission == pytest.approx(abs(size) * price * COSTS.commission, rel=1e-12)
        assert slippage == pytest.approx(abs(size) * own * COSTS.slippage, rel=1e-9)


def test_every_order_has_its_reason_and_its_fate(run: ls.Run) -> None:
    done = run.orders[run.orders["status"] == "Completed"].set_index("ref")["size"]
    filled = run.fills.groupby("ref")["size"].sum()
    np.testing.assert_allclose(filled[done.index], done)
    rest = run.orders.set_index("ref")["status"].drop(done.index)
    assert set(rest[filled.index.difference(done.index)]) <= {"Margin"}
    assert set(run.orders["status"].iloc[:-1]) <= {"Completed", "Margin"}
    strong = run.orders["strength"].abs() > 0.5
    assert (run.orders["wanted"] == np.sign(run.orders["strength"]).where(strong, 0.0)).all()


def test_equity_agrees_to_the_cent_with_fills_and_prices_alone(run: ls.Run, year: pd.DataFrame) -> None:
    bars = ls.total_return(year)
    # backtrader books a fill at the close just seen one bar later.
    booked = run.fills["date"].map(bars.index.get_loc) + (run.about["fill"] == "close")
    cash, size, told = 100_000.0, 0.0, {}
    for t, (stamp, bar) in enumerate(bars.iterrows()):
        if stamp > run.equity.index[0]:
            years = (stamp - bars.index[t - 1]).days / 365
            cash += cash * 0.03 * years - max(-size, 0) * bars["close"].iloc[t - 1] * COSTS.borrow * years
        for fill in run.fills[booked == t].itertuples():
            cash -= fill.size * fill.price + abs(fill.size) * fill.price * COSTS.commission
            size += fill.size
        told[stamp] = cash + size * bar["close"]
    recomputed = pd.Series(told)[run.equity.index]
    assert run.positions["size"].lt(0).any()
    assert run.positions["interest"].iloc[-1] > 100
    np.testing.assert_allclose(run.equity, recomputed, atol=0.005, rtol=0)
    np.testing.assert_allclose(run.returns, recomputed.pct_change().iloc[1:], atol=1e-9)


def test_positions_hold_what_was_wanted(run: ls.Run) -> None:
    held = run.positions["exposure"].abs()
    assert held.max() < 0.95 + 0.10 + 0.10  # a day's move on top of the drift that is let be
    assert run.positions["value"].equals(run.positions["size"] * run.positions["close"])


def test_dividends_are_earned(year: pd.DataFrame) -> None:
    forecasts = random_forecasts(year)
    free = ls.Costs(commission=0, slippage=0, borrow=0)
    with_dividends = ls.backtest(year, forecasts, "buy_and_hold", costs=free).equity.iloc[-1]
    without = ls.backtest(year.assign(dividend=0.0), forecasts, "buy_and_hold", costs=free).equity.iloc[-1]
    assert with_dividends > without * 1.05


def test_the_run_starts_at_the_first_forecast(run: ls.Run, year: pd.DataFrame) -> None:
    assert run.equity.index.equals(year.index[30:])
    assert run.equity.iloc[0] == 100_000


def test_measures_are_those_of_the_tables(run: ls.Run) -> None:
    values = run.measures["value"]
    years = len(run.returns) / 252
    paid = run.fills["commission"].sum() + run.fills["slippage"].sum() + run.positions["borrow"].iloc[-1]
    assert values["costs"] == pytest.approx(paid / run.equity.mean() / years)
    assert values["annual_return"] == pytest.approx((run.equity.iloc[-1] / run.equity.iloc[0]) ** (1 / years) - 1)
    assert values["max_drawdown"] == pytest.approx((run.equity / run.equity.cummax() - 1).min())
    assert values["exposure"] == pytest.approx(run.positions["exposure"].abs().mean())


def test_sharpe_is_of_returns_above_cash(year: pd.DataFrame) -> None:
    forecasts = random_forecasts(year)
    rates = pd.Series(0.02, index=[year.index[0] - pd.Timedelta(days=9)])
    run = ls.backtest(year, forecasts, "long_flat", cash_rate=rates, threshold=1e9)
    assert run.measures.loc["trades", "value"] == 0
    assert run.measures.loc["annual_return", "value"] == pytest.approx(0.02, abs=0.001)
    assert np.isnan(run.measures.loc["sharpe", "value"])


def test_a_run_without_orders_has_dashes_with_reasons(year: pd.DataFrame) -> None:
    run = ls.backtest(year, random_forecasts(year), "long_flat", threshold=1e9)
    assert np.isnan(run.measures.loc["sharpe", "value"])
    assert "no order" in run.measures.loc["sharpe", "reason"]
    assert "- (a)" in str(run)


def test_a_mismatch_of_fill_and_target_warns(year: pd.DataFrame) -> None:
    with pytest.warns(UserWarning, match="next_close"):
        ls.backtest(year, random_forecasts(year), "long_flat", fill="next_close")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ls.backtest(year, random_forecasts(year, "next_close"), "long_flat")


def test_fake_opens_are_refused_by_year() -> None:
    bars = ls.sample_prices("sp500").iloc[1000:1300]
    with pytest.raises(ls.InputError, match=r"2002 \(100%\), 2003 \(98%\).*next_close"):
        ls.backtest(bars, random_forecasts(bars), "long_flat")
    with pytest.raises(ls.InputError, match="2003"):
        ls.forecast(bars, ls.Forecaster(cell="linear"), ls.WalkForward(train=100, test=50))
    assert len(ls.backtest(bars, random_forecasts(bars, "next_close"), "long_flat").fills) > 50


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strategy": "long_flatt"}, 'Did you mean "long_flat"'),
        ({"treshold": 1}, 'Did you mean "threshold"'),
        ({"fill": "open"}, "unknown fill 'open'"),
        ({"cash": -1}, "cash=-1"),
        ({"cash": "1"}, "cash='1'"),
        ({"periods_per_year": 0}, "periods_per_year=0"),
        ({"threshold": float("nan")}, "threshold=nan must be a finite number"),
        ({"exposure": 1.5}, "exposure=1.5 must lie"),
        ({"drift": -1}, "drift=-1 at 0 or above"),
        ({"costs": 0.001}, "costs=0.001 must be Costs"),
        ({"strategy": "volatility_target", "period": 10_000}, "longer than the 500 bars"),
        ({"strategy": Broken}, "Broken failed while trading: ZeroDivisionError"),
        ({"strategy": Silent}, r"Silent.signal\(\) returned None"),
        ({"strategy": Empty}, r"Empty has no signal\(\)"),
        ({"cash_rate": float("nan")}, "cash_rate is nan"),
        ({"strategy": str}, "is no ForecastStrategy"),
    ],
)
def test_wrong_input_is_refused(year: pd.DataFrame, options: dict, said: str) -> None:
    with pytest.raises(ls.InputError, match=said):
        ls.backtest(year, random_forecasts(year), **{"strategy": "long_flat"} | options)


@pytest.mark.parametrize("value", [-0.1, 1, "a", True, float("nan")])
def test_costs_are_fractions(value: object) -> None:
    with pytest.raises(ls.InputError, match="slippage="):
        ls.Costs(slippage=value)
