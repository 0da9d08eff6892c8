# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Plug it into your own Cerebro
#
# Everything here is backtrader's own: feeds, strategies, analyzers, observers, plots. What is added are lines that say
# what a model forecast at each bar. Networks are small, so that the page is made in half a minute.

# %%
# %matplotlib inline
import backtrader as bt
import pandas as pd

import lstm_signal as ls
from lstm_signal import bt as lbt
from lstm_signal import plots

prices = ls.sample_prices().iloc[-700:]
recipe = ls.Forecaster(window=10, hidden=8, epochs=5, members=2)
schedule = ls.WalkForward(train=250, test=100)
forecasts = ls.forecast(prices, recipe, schedule, progress=False)
forecasts

# %% [markdown]
# ## A feed with forecasts, a strategy of one's own
# `ForecastData` is a price feed whose lines hold the forecast, its interval, the spread over members and the strength.
# `ForecastStrategy` asks for one thing, the wanted exposure; sizing, timing, missing forecasts and drift are its work.


# %%
class LongWhenStrong(ls.ForecastStrategy):
    params = (("threshold", 0.3),)

    def signal(self):
        return 1.0 if self.strength[0] > self.p.threshold else 0.0


def cerebro_with(feed: bt.feeds.PandasData, strategy: type = LongWhenStrong, **given: object) -> bt.Cerebro:
    cerebro = bt.Cerebro()
    cerebro.adddata(feed)
    cerebro.addstrategy(strategy, **given)
    cerebro.broker.set_cash(100_000)
    cerebro.broker.setcommission(0.0001)
    return cerebro


cerebro = cerebro_with(lbt.ForecastData(dataname=prices, forecasts=forecasts))
cerebro.addanalyzer(lbt.ForecastAccuracy, _name="accuracy")
cerebro.addanalyzer(lbt.ForecastLedger, _name="ledger")
cerebro.addobservermulti(lbt.ForecastBand)
ran = cerebro.run()[0]
print(f"{cerebro.broker.getvalue():,.0f}")

# %% [markdown]
# How good the forecasts were, and the first fills with what was forecast, what came true, and what each earned:

# %%
pd.DataFrame(ran.analyzers.accuracy.get_analysis()).T[["value", "unit"]]

# %%
ledger = pd.DataFrame(ran.analyzers.ledger.get_analysis())
numbers = ["size", "price", "forecast", "strength", "outcome", "earned"]
ledger[["sent", "date"]].join(ledger[numbers].round(4)).head()

# %% [markdown]
# ## The picture
# backtrader's plot, without a window: the predicted next value and its interval lie over the price, at the bar they were
# meant for.

# %%
plots.cerebro(cerebro, volume=False)

# %% [markdown]
# ## What the rates did below the price
# `Rates` is an indicator: the forget, input and output rate of one fit, bar by bar.

# %%
rates = recipe.fit(prices.iloc[:270]).rates(prices)


class WithRates(LongWhenStrong):
    def __init__(self):
        lbt.Rates(self.data, rates=rates)


with_rates = cerebro_with(lbt.ForecastData(dataname=prices, forecasts=forecasts), WithRates)
with_rates.run(stdstats=False)
plots.cerebro(with_rates, volume=False)

# %% [markdown]
# ## backtrader's own way: a signal
# `ForecastSignal` goes into `add_signal`; `ForecastSizer` buys the more, the stronger the forecast.

# %%
signalled = bt.Cerebro(stdstats=False)
signalled.adddata(lbt.PricesData(dataname=ls.total_return(prices)))
signalled.add_signal(bt.SIGNAL_LONGSHORT, lbt.ForecastSignal, forecasts=forecasts, threshold=0.3)
signalled.addsizer(lbt.ForecastSizer, forecasts=forecasts, exposure=0.9)
signalled.broker.set_cash(100_000)
signalled.run()
print(f"{signalled.broker.getvalue():,.0f}")

# %% [markdown]
# ## Live
# `Streaming` in place of the forecasts: the strategy fits when the schedule says so, on the bars seen by then, and
# steps bar by bar. Same forecasts to the bit, same trades, same end.

# %%
live = cerebro_with(
    lbt.PricesData(dataname=ls.total_return(prices)), forecasts=lbt.Streaming(recipe, schedule), threshold=0.3
)
streamed = live.run()[0].models[0].forecasts
print(bool((streamed.frame["forecast"] == forecasts.frame["forecast"]).all()))
print(f"{live.broker.getvalue():,.0f}")

# %% [markdown]
# ## Many feeds
# `top_k` holds the feed of the greatest strength. The second feed here starts a hundred bars late and holds nobody up.
# Filled at the next close, as the S&P 500's opens are copies of the close before; `members_of` says who belonged when.

# %%
portfolio = bt.Cerebro()
portfolio.broker = lbt.Broker(cash=100_000)
for name, start in (("nasdaq", 0), ("sp500", 100)):
    bars = ls.sample_prices(name).iloc[-700 + start :]
    linear = ls.forecast(bars, ls.Forecaster(cell="linear", window=10, target="next_close"), schedule, progress=False)
    portfolio.adddata(lbt.ForecastData(dataname=bars, forecasts=linear), name=name)
members = pd.DataFrame({"ticker": ["nasdaq", "sp500"], "start": "1999-01-01", "end": ""})
portfolio.addstrategy(ls.load_strategy("top_k"), fill="next_close", members_of=members)
log = pd.DataFrame(portfolio.run()[0].log)
print(f"{portfolio.broker.getvalue():,.0f}")
log[["sent", "feed", "wanted", "strength", "data_through"]].round({"strength": 2}).head()

# %% [markdown]
# ## Which threshold?
# `optstrategy` as ever: the forecasts are made once, before. The best threshold of the past is a choice made with
# hindsight, so look at the slope, not at the summit.


# %%
class KeepsItsEnd(LongWhenStrong):
    def stop(self):
        self.end = self.broker.getvalue()


several = bt.Cerebro(stdstats=False, maxcpus=1, optreturn=False)
several.broker.set_cash(100_000)
several.adddata(lbt.ForecastData(dataname=prices, forecasts=forecasts))
several.optstrategy(KeepsItsEnd, threshold=[0.0, 0.25, 0.5, 0.75, 1.0])
gains = {result[0].p.threshold: result[0].end / 1000 - 100 for result in several.run()}
pd.Series(gains).plot.bar(xlabel="threshold", ylabel="gain over all bars [%], before costs", figsize=(7, 3), rot=0)
