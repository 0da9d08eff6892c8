"""One bar at a time: the same bits as over the whole history; and what the rates say of each bar."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal.forecaster import RATE_COLUMNS
from tests.conftest import TINY


@ls.feature(lookback=3)
def swing(prices):
    return prices["high"].max() / prices["low"].min() - 1 + prices["dividend"].sum()


RECIPES = {
    "lstm": TINY,
    "rnn": TINY.replace(cell="rnn"),
    "linear": TINY.replace(cell="linear"),
    "two layers": TINY.replace(layers=2, dropout=0.2),
    "all features": TINY.replace(features=("return", "gap", "range", swing)),
    "state": TINY.replace(readout="state"),
    "carried": TINY.replace(state="carried"),
    "carried rnn": TINY.replace(cell="rnn", state="carried", layers=2),
    "last rung": TINY.replace(without=ls.LADDER[-1]),
    "window of one": TINY.replace(window=1),
    "wide": TINY.replace(hidden=128, epochs=1, members=1),  # a product that OpenBLAS would split over two threads
}


def bits(values) -> list[str]:
    return [float(value).hex() for value in values]


@pytest.mark.parametrize("name", RECIPES)
def test_a_stream_says_what_predict_says(year, name):
    fitted = RECIPES[name].fit(year.iloc[:200])
    whole = fitted.predict(year)
    for first in (0, 137):
        step, history = fitted.stepper(), year.iloc[first:]
        live = [step.update(bar) for _, bar in history.iterrows()]
        assert bits(live) == bits(fitted.predict(history))
        warm = RECIPES[name].warm_up
        assert np.isnan(live[:warm]).all()
        assert not np.isnan(live[warm:]).any()
        if name not in ("carried", "carried rnn"):
            assert bits(live[warm:]) == bits(whole.iloc[first + warm :])


@pytest.mark.parametrize("how", ["itertuples", "dicts", "namespace"])
def test_a_bar_may_come_as_a_row_a_mapping_or_an_object(year, how):
    fitted = TINY.replace(features=("gap", "return")).fit(year.iloc[:200])
    bars = {"itertuples": list(year.itertuples()), "dicts": year.to_dict("records"),
            "namespace": [type("Bar", (), row) for row in year.to_dict("records")]}[how]  # fmt: skip
    step = fitted.stepper()
    assert bits(step.update(bar) for bar in bars) == bits(fitted.predict(year))


def test_two_streams_do_not_share_a_state(prices):
    fitted = TINY.fit(prices)
    one, other = fitted.stepper(), fitted.stepper()
    said = [(one.update(bar), other.update(bar) if number % 2 else 0) for number, bar in enumerate(prices.itertuples())]
    assert bits(first for first, _ in said) == bits(fitted.predict(prices))


@pytest.mark.parametrize(("change", "told"), [
    ({"close": 0.0}, "the bar's close is 0.0: it must be positive"), ({"open": np.nan}, "open is nan"),
    ({"high": np.inf}, "high is inf"), ({"low": "x"}, "low is 'x': it must be a number"),
    ({"dividend": -1.0}, "dividend is -1.0: it must be 0 or more"), ({"close": None}, "close is None"),
])  # fmt: skip
def test_a_wrong_bar_is_refused_and_not_taken(prices, change, told):
    fitted = TINY.fit(prices)
    step, rows = fitted.stepper(), prices.to_dict("records")
    said = [step.update(row) for row in rows[:50]]
    with pytest.raises(ls.InputError, match=told):
        step.update(rows[50] | change)
    lacking = {name: value for name, value in rows[50].items() if name != "low"}
    with pytest.raises(ls.InputError, match="the bar has no low"):
        step.update(lacking)
    said += [step.update(row) for row in rows[50:]]
    assert bits(said) == bits(fitted.predict(prices))


@ls.feature(lookback=1)
def volume_growth(prices):
    return np.log(prices["volume"].iloc[-1] / prices["volume"].iloc[0])


def test_a_bar_that_a_feature_refuses_is_not_taken(prices):
    fitted = TINY.replace(features=("return", volume_growth)).fit(prices)
    step, rows = fitted.stepper(), prices.to_dict("records")
    said = [step.update(row) for row in rows[:50]]
    with pytest.raises(ls.InputError, match="volume_growth"):
        step.update(rows[50] | {"volume": np.nan})
    said += [step.update(row) for row in rows[50:]]
    assert bits(said) == bits(fitted.predict(prices))


def test_a_bar_needs_no_dividend_and_no_volume(prices):
    fitted = TINY.fit(prices)
    step = fitted.stepper()
    four = prices[["open", "high", "low", "close"]].to_dict("records")
    assert bits(step.update(row) for row in four) == bits(fitted.predict(prices))


def test_loading_streaming_and_looking_at_rates_need_no_torch(prices, tmp_path):
    TINY.fit(prices).save(tmp_path / "fit.safetensors")
    prices.to_csv(tmp_path / "bars.csv")
    code = (
        "import sys, lstm_signal as ls; fitted = ls.load_forecaster('fit.safetensors'); "
        "bars = ls.read_prices('bars.csv'); step = fitted.stepper(); [step.update(bar) for bar in bars.itertuples()]; "
        "fitted.rates(bars); fitted.predict(bars); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


# Rates


def by_hand(fitted, prices, member):
    """Return (6, H) for the last bar: its whole window, from zero, by torch's weights and the article's equations."""
    recipe, weights = fitted.recipe, fitted.members[member].weights
    x = np.log(prices["close"] / prices["close"].shift()).to_numpy()[-recipe.window :, None]
    W, U = (weights[f"0.weight_{part}"].astype(float) for part in ("ih", "hh"))
    b = weights["0.bias_ih"].astype(float) + weights["0.bias_hh"]
    h = C = np.zeros(recipe.hidden)
    for row in fitted.members[member].scaler.scale(x):
        i, f, g, o = np.split(W @ row + U @ h + b, 4)
        f, i, o, g = *(1 / (1 + np.exp(-z)) for z in (f, i, o)), np.tanh(g)
        C = f * C + i * g
        h = o * np.tanh(C)
    return np.stack([f, i, o, g, C, h])


def test_rates_are_those_of_each_windows_last_bar(prices):
    fitted = TINY.fit(prices)
    units = fitted.rates(prices, units=True)
    assert units.shape == (200, 6 * 2 * 4)
    assert units.columns.names == ["rate", "member", "unit"]
    for member in (0, 1):
        got = units.xs(member, axis=1, level="member").iloc[-1].to_numpy().reshape(6, 4)
        np.testing.assert_allclose(got, by_hand(fitted, prices, member), rtol=0, atol=1e-12)
    mean = fitted.rates(prices)
    assert list(mean.columns) == list(RATE_COLUMNS)
    expected = units.T.groupby(level="rate").mean().T[list(RATE_COLUMNS)]
    np.testing.assert_allclose(mean.to_numpy(), expected.to_numpy(), rtol=0, atol=1e-12)
    assert mean.isna().sum().eq(TINY.warm_up).all()
    assert mean.iloc[::-1].notna().iloc[0].all()


def test_h_is_what_the_forecast_is_made_of(prices):
    fitted = TINY.replace(readout="state", layers=2).fit(prices)
    first = fitted.rates(prices, units=True)["h"].xs(0, axis=1, level="unit")
    members = enumerate(fitted.members)
    said = pd.DataFrame({n: member.scaler.unscale_target(first[n].to_numpy()) for n, member in members})
    np.testing.assert_allclose(said.mean(axis=1), fitted.predict(prices), rtol=0, atol=1e-15)


@pytest.mark.parametrize(("fields", "rate", "value"), [
    ({"without": "output"}, "output", 1.0), ({"without": ("output", "input")}, "input", 1.0),
    ({"without": ("output", "input", "memory")}, "forget", 0.0), ({"without": "forget"}, "forget", 1.0),
])  # fmt: skip
def test_an_eliminated_rate_is_seen_to_be_gone(prices, fields, rate, value):
    rates = TINY.replace(**fields).fit(prices).rates(prices).dropna()
    np.testing.assert_allclose(rates[rate], value, rtol=0, atol=1e-40)
    assert rates["candidate"].std() > 0


def test_coupled_rates_are_seen_to_add_up_to_one(prices):
    rates = TINY.replace(coupled=True).fit(prices).rates(prices).dropna()
    np.testing.assert_allclose(rates["forget"] + rates["input"], 1.0, rtol=0, atol=1e-12)
    assert rates["forget"].std() > 0


def test_a_carried_memory_is_looked_at_too(prices):
    fitted = TINY.replace(state="carried").fit(prices)
    units = fitted.rates(prices, units=True)
    f, i, g, C = (units[name].to_numpy() for name in ("forget", "input", "candidate", "memory"))
    np.testing.assert_allclose(C[11:], f[11:] * C[10:-1] + i[11:] * g[11:], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "recipe", [TINY.replace(cell="rnn"), TINY.replace(cell="linear"), TINY.replace(without=ls.LADDER[-1])]
)
def test_a_cell_without_rates_says_so(prices, recipe):
    with pytest.raises(ls.InputError, match="has no rates to look at"):
        recipe.fit(prices).rates(prices)
