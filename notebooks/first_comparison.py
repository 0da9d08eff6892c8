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
# # A first comparison
#
# Does a recurrent network's forecast of the next return say anything, and is it worth trading? We load real daily
# bars, describe two forecasters, walk them forward, compare them, and look. Networks and history are small here, so
# that the page is made in half a minute; `lstm-signal compare --sample` does the same at full size.

# %%
import matplotlib.pyplot as plt

import lstm_signal as ls

# %% [markdown]
# ## Load
# NASDAQ Composite, six years of daily bars. An index cannot be traded; it stands for a fund on it.

# %%
prices = ls.sample_prices().iloc[-1500:]
prices[["open", "high", "low", "close"]].tail(3)

# %% [markdown]
# ## Two forecasters
# The same recipe, another cell. An LSTM has four times an RNN's parameters at the same size, so a third model, an RNN
# with as many parameters as the LSTM, tells size from kind.

# %%
lstm = ls.Forecaster(cell="lstm", window=20, hidden=8, epochs=5, members=3)
rnn = lstm.replace(cell="rnn")
matched = lstm.matched("rnn")
lstm.parameters, rnn.parameters, matched.parameters

# %% [markdown]
# ## Walk
# Train on 1,000 bars, forecast the next 250, move on, train afresh. Each forecast is stamped with the bar at whose close
# it was made, and says the last bar that its fit has seen.

# %%
schedule = ls.WalkForward(train=1000, test=250)
names = ["lstm", "rnn", "rnn_matched"]
models = ls.forecast(prices, [lstm, rnn, matched], schedule, name=names, seed=7, progress=False)
models[0]

# %% [markdown]
# ## Compare
# Linear, mean, naive and buy & hold join in: without them no number means anything.

# %%
comparison = ls.compare(prices, models, strategy="long_flat")
comparison

# %% [markdown]
# ## Look
# What the forecasts were worth, after costs. The grey line is the market itself.

# %%
equity = (1 + comparison.returns).cumprod()
colours = {"lstm": "C0", "rnn": "C1", "rnn_matched": "C2", "linear": "C4", "buy_and_hold": "0.6"}
axes = equity.plot(figsize=(9, 4), color=colours, ylabel="equity, start = 1", xlabel="", title="Equity after costs")
axes.grid(alpha=0.3)
plt.show()

# %% [markdown]
# Are the forecasts right when they are strong? Each dot is a bar: what was said, and what came. A cloud without a slope is
# a forecast that knows nothing.

# %%
said = comparison.forecasts
figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharex=True, sharey=True)
for panel, name in zip(panels, ["lstm", "rnn"], strict=True):
    rows = said[said["model"] == name]
    panel.scatter(100 * rows["forecast"], 100 * rows["outcome"], s=6, alpha=0.4, color=colours[name])
    panel.axhline(0, color="0.7", linewidth=0.8)
    panel.axvline(0, color="0.7", linewidth=0.8)
    panel.set(title=name, xlabel="forecast return [%]", ylabel="outcome [%]")
plt.show()

# %% [markdown]
# The interval is made from realised outcomes alone and widens when the market grows wild.

# %%
rows = models[0].frame.iloc[-250:]
figure, axes = plt.subplots(figsize=(9, 4))
axes.fill_between(rows.index, 100 * rows["lower"], 100 * rows["upper"], alpha=0.2)
axes.plot(rows.index, 100 * models[0].outcomes(prices).loc[rows.index], ".", color="0.3", markersize=3)
axes.set(title="Outcomes in the LSTM's 90 % interval", ylabel="return [%]")
axes.grid(alpha=0.3)
plt.show()
