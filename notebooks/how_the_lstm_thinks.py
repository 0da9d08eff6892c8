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
# # How the LSTM thinks
#
# The article "Understanding the LSTM Model" reads the gates as *rates*: the share of the memory that is kept, the share
# of what is new that is let in, the share of the memory that is shown. Here we look at the two functions it is made
# of, walk one window bar by bar through a fitted cell, see what the rates did around 2008, and take the LSTM apart
# until a simple RNN is left. Networks are small, so that the page is made in half a minute.

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import lstm_signal as ls
from lstm_signal import plots
from lstm_signal.cells import LSTM

# %% [markdown]
# ## Two functions
# The sigmoid gives a ratio, the tanh squeezes information into (-1, 1).

# %%
plots.sigmoid_and_tanh()

# %% [markdown]
# ## One window, bar by bar
# A fit on the first thousand bars, then one window of 2008: what the first unit of the first member does with each of
# its 20 returns. `C` is the forget rate times the old memory plus the input rate times the candidate; `h` is the output
# rate times tanh of that.

# %%
prices = ls.sample_prices()
fitted = ls.Forecaster(hidden=8, epochs=5, members=2).fit(prices.iloc[:1022])
member = fitted.members[0]
cell = LSTM({name.removeprefix("0."): weight for name, weight in member.weights.items() if name.startswith("0.")})

last = prices.index.get_loc("2008-10-13")
returns = np.log(prices["close"] / prices["close"].shift()).to_numpy()[last - 19 : last + 1, None]
steps, state = [], cell.start(1)
for x in member.scaler.scale(returns):
    f, i, o, g = (rate[0, 0] for rate in cell.rates(x, state))
    state = cell.step(x, state)
    steps.append([x[0], f, i, o, g, state[1][0, 0], state[0][0, 0]])
columns = ["x", "forget", "input", "output", "candidate", "memory", "h"]
window = pd.DataFrame(steps, columns=columns, index=prices.index[last - 19 : last + 1])
window.tail(6).round(3)

# %%
figure, (top, bottom) = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
window[["forget", "input", "output"]].plot(ax=top, color=["#0072b2", "#d55e00", "#009e73"], title="rates of one unit")
window[["candidate", "memory", "h"]].plot(ax=bottom, color=["#999999", "#cc79a7", "#333333"])
bottom.axhline(0, color="#999999", linewidth=0.6)
plt.show()

# %% [markdown]
# The last row is what `rates` says of that bar, and its h is what the forecast is made of:

# %%
same = fitted.rates(prices.iloc[: last + 1], units=True).xs((0, 0), axis=1, level=["member", "unit"]).iloc[-1]
bool(np.allclose(same, window.iloc[-1, 1:], rtol=0, atol=1e-12))

# %% [markdown]
# ## The rates around 2008
# Over all bars, mean over units and members: the one unit above goes its own way, others go against it. The fit ends in
# January 2003, what comes after was never seen. On the mean, after a fall the network keeps less of its memory and lets more in; after a rise it keeps more and
# shows more.

# %%
rates = fitted.rates(prices)
plots.rates_over_time(prices, rates, fitted.data_through, "nasdaq")

# %%
rates.loc["2008-10-06":"2008-10-14", ["forget", "input", "output"]].round(3)

# %% [markdown]
# ## The road
# Eliminate the output rate, then the input rate, then the memory, then the output tanh: what is left *is* the RNN. "No
# memory" must mean f = 0. With f = 1 the memory never fades, it adds up all it has seen: that leads away from the RNN.

# %%
schedule = ls.WalkForward(train=1000, test=250)
recent = prices.iloc[-1800:]
lstm = ls.Forecaster(hidden=8, epochs=3, members=2)
recipes = [lstm.replace(without=parts) for parts in ls.LADDER] + [lstm.replace(cell="rnn")]
names = ["lstm", "no output", "no input", "no memory", "no squash", "rnn"]
models = ls.forecast(recent, recipes, schedule, name=names, progress=False)
comparison = ls.compare(recent, models)
comparison.table("forecasts").loc[["rmse", "r2", "correlation"], names].T.assign(
    parameters=[r.parameters for r in recipes]
)

# %% [markdown]
# The last two rows are one model:

# %%
bool((models[-2].frame["forecast"] == models[-1].frame["forecast"]).all())
