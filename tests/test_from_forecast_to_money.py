"""Where a run's return comes from, to the last bit of it, and what it is otherwise."""

import math

import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal import money
from lstm_signal.measures import NEVER_TRADED
from lstm_signal.units import MONEY_ROWS
from tests.conftest import SHORT, TINY

FREE = ls.Costs(0, 0, 0)


@pytest.fixture(scope="module")
def walks(year: pd.DataFrame) -> dict[str, ls.Forecasts]:
    recipe = TINY.replace(cell="linear")
    targets = {"next_open": "open", "next_close": "next_close", "close": "close"}
    return {
        fill: ls.forecast(year, recipe.replace(target=target), SHORT, progress=False)
        for fill, target in targets.items()
    }


def attributed(year, model, **given) -> tuple[ls.Run, dict[str, float]]:
    run = ls.backtest(year, model, "long_short", threshold=0.3, **given)
    parts = money.attribution(run, money.right_and_lost(run, model, model.outcomes(year)))
    return run, {key: parts[key].value for key in MONEY_ROWS}


# It adds up


@pytest.mark.parametrize("fill", ["next_open", "next_close", "close"])
@pytest.mark.parametrize("given", [{}, {"costs": ls.Costs(0.001, 0.002, 0.05), "cash_rate": 0.04}, {"costs": FREE}])
def test_the_parts_add_up_exactly(year, walks, fill, given):
    run, parts = attributed(year, walks[fill], **given)
    five = ("timing", "exposure", "interest", "trading_costs", "borrow")
    assert parts["total"] == run.returns.sum()
    assert sum(parts[name] for name in five) == pytest.approx(parts["total"], abs=1e-14)
    flows = run.flows
    rest = flows["gross"] + flows["interest"] - flows["trading_costs"] - flows["borrow"]
    assert rest.to_numpy() == pytest.approx(run.returns.to_numpy(), abs=1e-16)
    assert (parts["trading_costs"] < 0) == (given.get("costs") != FREE)
    assert (parts["interest"] > 0) == ("cash_rate" in given)


@pytest.mark.parametrize("fill", ["next_close", "close"])
def test_timing_is_being_in_at_the_right_bars(year, walks, fill):
    """Where fills are at a close, what a bar earns is the exposure held into it times the asset's return."""
    run, parts = attributed(year, walks[fill], costs=ls.Costs(0.001, 0.002, 0.05), cash_rate=0.04)
    held, asset = run.flows["held"], run.flows["asset"]
    assert (held * asset).to_numpy() == pytest.approx(run.flows["gross"].to_numpy(), abs=1e-12)
    assert parts["timing"] == pytest.approx(((held - held.mean()) * asset).sum(), abs=1e-12)
    assert parts["exposure"] == pytest.approx(held.mean() * asset.sum(), abs=1e-15)


def test_what_was_paid_is_what_the_fills_say(year, walks):
    run, _ = attributed(year, walks["next_open"], costs=ls.Costs(0.001, 0.002, 0.05))
    before = run.equity.shift(1)
    paid = (run.flows["trading_costs"] * before).sum()
    assert paid == pytest.approx((run.fills["commission"] + run.fills["slippage"]).sum())
    assert (run.flows["traded"] * before).sum() == pytest.approx((run.fills["size"] * run.fills["price"]).abs().sum())
    assert (run.flows["borrow"] * before).sum() == pytest.approx(run.positions["borrow"].iloc[-1])


def test_buy_and_hold_has_exposure_and_no_timing(year, walks):
    run = ls.backtest(year, walks["next_close"], "buy_and_hold", costs=FREE)
    model = walks["next_close"]
    parts = money.attribution(run, money.right_and_lost(run, model, model.outcomes(year)))
    assert parts["exposure"].value == pytest.approx(parts["total"].value, rel=0.02)
    assert abs(parts["timing"].value) < 0.01


def test_right_forecasts_that_lost_are_found(year, walks):
    model = walks["next_close"]
    run = ls.backtest(year, model, "long_short", threshold=0.3, costs=ls.Costs(0.001, 0.002, 0))
    days = money.right_and_lost(run, model, model.outcomes(year))
    assert len(days) == len(model) - 2  # the last two outcomes are not known
    close = ls.total_return(year)["close"]
    for stamp in days.index[25:60]:
        bar = year.index.get_loc(stamp)
        made = close.iloc[bar + 2] / close.iloc[bar + 1] - 1
        exposure, fills = run.positions["exposure"].iloc[run.positions.index.get_loc(stamp) + 1], run.fills
        paid = fills[fills["date"] == year.index[bar + 1]][["commission", "slippage"]].sum().sum()
        assert days.loc[stamp, "earned"] == pytest.approx(exposure * made - paid / run.equity[stamp])
        assert days.loc[stamp, "right"] == (model.frame.loc[stamp, "forecast"] * made > 0)
    parts = money.attribution(run, days)
    lost = days[days["right"] & (days["earned"] < 0)]
    assert (parts["right"].value, parts["right_and_lost"].value) == (days["right"].sum(), len(lost))
    assert 0 < parts["lost_to_costs"].value < parts["right_and_lost"].value


def test_over_several_bars_no_position_is_held_for_one_forecast(year):
    model = ls.forecast(year, TINY.replace(cell="linear", horizon=5), SHORT, progress=False)
    run = ls.backtest(year, model)
    days = money.right_and_lost(run, model, model.outcomes(year))
    assert len(days) == 0
    told = money.attribution(run, days)
    assert "overlap" in told["right_and_lost"].reason
    assert told["total"].value == run.returns.sum()


def test_at_the_close_what_a_forecast_earns_begins_at_once(year, walks):
    model = walks["close"]
    run = ls.backtest(year, model, "long_short", threshold=0.3, costs=FREE)
    days = money.right_and_lost(run, model, model.outcomes(year))
    assert days["earned"].sum() == pytest.approx(run.returns.sum(), abs=1e-12)


# Otherwise


def test_at_its_own_costs_it_is_itself_and_at_others_nearly_what_a_run_makes(year, walks):
    model = walks["next_open"]
    runs = {"linear": ls.backtest(year, model, "long_short", threshold=0.3, costs=ls.Costs(0.0002, 0.0003, 0.005))}
    told = money.at_costs(runs)["linear"]
    assert told["sharpe_at_5bp"].value == pytest.approx(runs["linear"].measures["value"]["sharpe"], abs=2e-3)
    assert told["annual_return_at_5bp"].value == pytest.approx(
        runs["linear"].measures["value"]["annual_return"], abs=2e-4
    )
    for bp in (0, 1, 10):
        costs = ls.Costs(bp / 10_000, 0, 0.005)
        again = ls.backtest(year, model, "long_short", threshold=0.3, costs=costs).measures["value"]
        assert told[f"sharpe_at_{bp}bp"].value == pytest.approx(again["sharpe"], abs=0.02)
        assert told[f"annual_return_at_{bp}bp"].value == pytest.approx(again["annual_return"], abs=0.003)
    assert told["sharpe_at_0bp"].value > told["sharpe_at_1bp"].value > told["sharpe_at_10bp"].value


def test_at_its_break_even_cost_it_earns_what_cash_earns(year, walks):
    model, given = walks["next_close"], {"threshold": 0.3, "cash_rate": 0.03}
    run = ls.backtest(year, model, "long_short", **given)
    cost = run.measures["value"]["break_even"]
    if cost < 0:  # it loses before costs: the mirror of its forecasts wins
        model = ls.Forecasts.from_frame(
            model.frame.assign(forecast=-model.frame["forecast"], mean=-model.frame["mean"])[["forecast", "mean"]],
            name="mirror", target="next_close",
        )  # fmt: skip
        cost = ls.backtest(year, model, "long_short", **given).measures["value"]["break_even"]
    assert cost > 0
    again = ls.backtest(year, model, "long_short", costs=ls.Costs(cost, 0, 0.005), **given)
    assert again.measures["value"]["sharpe"] == pytest.approx(0, abs=0.05)


def test_a_delay_hands_on_what_was_said_before(year, walks):
    model = walks["next_open"]
    late = money.delayed(year, model, 2)
    assert (late.frame["forecast"].to_numpy() == model.frame["forecast"].to_numpy()[:-2]).all()
    assert list(late.frame.index) == list(model.frame.index[2:])
    weekly = ls.Forecasts.from_frame(model.frame[["forecast"]].iloc[::5], name="weekly")
    places = [year.index.get_indexer(each.frame.index) for each in (weekly, money.delayed(year, weekly, 2))]
    assert (places[1] - places[0][: len(places[1])] == 2).all()  # bars, not forecasts
    ls.backtest(year, money.delayed(year, weekly, 2))
    assert (late.frame["data_through"] < late.frame.index).all()
    runs = {"linear": ls.backtest(year, model)}
    told = money.delays(year, [model], runs, lambda each: ls.backtest(year, each))["linear"]
    assert told["sharpe_late_0"].value == runs["linear"].measures["value"]["sharpe"]
    assert (
        told["sharpe_late_2"].value
        == ls.backtest(year, late).measures["value"]["sharpe"]
        != told["sharpe_late_0"].value
    )


def test_a_member_alone_is_a_walk_of_one_member(prices):
    model = ls.forecast(prices, TINY, SHORT, n_jobs=1, progress=False)
    one = ls.forecast(prices, TINY.replace(members=1), SHORT, n_jobs=1, progress=False)
    alone = money.single(prices, model, TINY, "0")
    columns = ["forecast", "price", "lower", "upper", "spread", "strength", "mean", "fold", "data_through"]
    pd.testing.assert_frame_equal(alone.frame[columns], one.frame[columns], check_exact=True)


def test_the_fan_is_each_member_traded_alone(prices):
    model = ls.forecast(prices, TINY.replace(members=3), SHORT, n_jobs=1, progress=False)
    held = ls.backtest(prices, model, "buy_and_hold")
    section, curves, sharpes = money.fan(prices, [model], held, lambda each: ls.backtest(prices, each))
    runs = [ls.backtest(prices, money.single(prices, model, TINY, member)) for member in "012"]
    assert sharpes["lstm"] == pytest.approx([run.measures["value"]["sharpe"] for run in runs])
    told = {key: measure.value for key, measure in section["lstm"].items()}
    assert told["members"] == 3
    ordered = sorted(sharpes["lstm"])
    assert [told[f"sharpe_{rank}"] for rank in ("least", "median", "most")] == pytest.approx(ordered)
    assert told["beat_buy_and_hold"] == np.mean([run.equity.iloc[-1] > held.equity.iloc[-1] for run in runs])
    for member, run in zip("012", runs, strict=True):
        own = curves[curves["member"] == member]["equity"]
        assert (own == run.equity).all()
    alone = ls.forecast(prices, TINY.replace(members=1), SHORT, n_jobs=1, progress=False)
    assert money.fan(prices, [alone], held, ls.backtest)[0]["lstm"]["members"].reason == "there is one member"


# Differences


def runs_of(returns: dict[str, np.ndarray]) -> dict[str, ls.Run]:
    stamps = pd.bdate_range("2020-01-01", periods=len(next(iter(returns.values()))))
    nothing = pd.DataFrame()
    return {
        name: ls.Run(name, "Mine", pd.Series(1.0, index=stamps), pd.Series(values, index=stamps),
                     pd.Series(0.0, index=stamps), nothing, nothing, nothing, nothing, {"periods_per_year": 252})
        for name, values in returns.items()
    }  # fmt: skip


def test_a_difference_is_found_through_what_both_share():
    random = np.random.default_rng(4)
    market, own = random.normal(0.0005, 0.02, 600), random.normal(0, 0.002, (2, 600))
    runs = runs_of({"a": market + own[0] + 0.0005, "b": market + own[1]})
    told = money.differences(runs, [("a", "b"), ("b", "a")])
    ahead, behind = told["a - b"], told["b - a"]
    assert ahead["annual_return"].value == pytest.approx(252 * (runs["a"].returns - runs["b"].returns).mean())
    assert ahead["annual_return"].p < 0.01
    assert 0 < ahead["sharpe"].low < ahead["sharpe"].value < ahead["sharpe"].high
    ratios = [run.returns.mean() / run.returns.std() * math.sqrt(252) for run in runs.values()]
    assert ahead["sharpe"].value == pytest.approx(ratios[0] - ratios[1])
    assert behind["sharpe"].value == -ahead["sharpe"].value
    assert behind["sharpe"].p == ahead["sharpe"].p
    width = ahead["annual_return"].high - ahead["annual_return"].low
    assert width == pytest.approx(252 * 2 * 1.96 * 0.002 * math.sqrt(2 / 600), rel=0.2)


def test_on_noise_a_difference_is_rarely_found():
    random = np.random.default_rng(5)
    found = 0
    for _ in range(60):
        both = random.normal(0, 0.01, (2, 250))
        told = money.differences(runs_of({"a": both[0], "b": both[1]}), [("a", "b")])["a - b"]
        found += told["sharpe"].p <= 0.05
    assert found <= 8


def test_two_that_made_the_same_or_nothing_have_a_reason():
    returns = np.random.default_rng(4).normal(0, 0.01, 100)
    once = np.where(np.arange(100) == 50, 0.02, 0.0)
    runs = runs_of({"a": returns, "b": returns.copy(), "flat": np.zeros(100), "once": once})
    told = money.differences(runs, [("a", "b"), ("a", "flat"), ("a", "once")])
    assert told["a - flat"]["annual_return"].p is not None
    assert told["a - once"]["sharpe"].reason == "one of the two was in the market on too few bars"
    assert told["a - b"]["sharpe"].reason == "the two made the same"
    assert told["a - flat"]["sharpe"].reason == NEVER_TRADED
    few = runs_of({"a": returns[:9], "b": returns[1:10]})
    assert money.differences(few, [("a", "b")])["a - b"]["sharpe"].reason == "fewer than 20 bars"
