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
# # Is it skill?
#
# Train a network, backtest it, and some number will look good. Would it look good again? This page asks a comparison the
# questions that a sceptic asks, first of a series whose truth is known, then of a market.

# %%
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import lstm_signal as ls

# %% [markdown]
# ## Two worlds whose truth is known
# In the first, today's return is three tenths of yesterday's and noise. The second is a random walk that drifts up: there
# is nothing to know but the drift, and the drift is the mean's. One price a bar, so the forecast is close to close.

# %%
random = np.random.default_rng(3)
noise = random.normal(0, 0.01, 1400)
momentum = noise.copy()
for t in range(1, len(noise)):
    momentum[t] += 0.3 * momentum[t - 1]
days = pd.bdate_range("2015-01-01", periods=len(noise))
worlds = {
    name: pd.DataFrame(dict.fromkeys(["open", "high", "low", "close"], 100 * np.exp(np.cumsum(returns))), index=days)
    for name, returns in {"momentum": momentum, "drift": noise[::-1] + 0.0005}.items()
}

# %%
schedule = ls.WalkForward(train=1000, test=250)
linear = ls.Forecaster(cell="linear", target="close")
for name, bars in worlds.items():
    print(name, *ls.compare(bars, [ls.forecast(bars, linear, schedule, progress=False)]).verdict, sep="\n", end="\n\n")

# %% [markdown]
# Each sentence has a number, its interval and a p-value, and says "no evidence" where that is the truth. Skill is measured
# against the *mean* of the training rows: against zero, the drift would look like skill. The three p-values are weighed
# together, and [benchmarks/calibration.md](../benchmarks/calibration.md) counts how often any of them speaks on noise.

# %% [markdown]
# ## A market
# Six years of the NASDAQ Composite, with small networks, so that this page is made in half a minute.

# %%
prices = ls.sample_prices().iloc[-1500:]
lstm = ls.Forecaster(hidden=8, epochs=5, members=3)
models = ls.forecast(prices, [lstm, lstm.replace(cell="rnn")], schedule, progress=False)
comparison = ls.compare(prices, models)
print(*comparison.verdict, sep="\n")

# %% [markdown]
# ### Is it just yesterday?
# A network that has learnt to repeat the last value looks perfect on a chart of prices. Which return are the forecasts
# most like? Lag 0 is the one that follows, 1 the last one known.

# %%
comparison.table("yesterday").round(3)

# %% [markdown]
# ### When was it better than the mean?
# The squared errors of the mean so far, less the model's: a line that climbs all the way is skill, one good month is not.

# %%
gain = comparison.error_gain[["lstm", "rnn", "linear"]]
axes = (1e4 * gain).plot(
    figsize=(9, 3.5), color=["C0", "C1", "C4"], xlabel="", ylabel="squared error saved [% squared]"
)
axes.axhline(0, color="0.6", linewidth=0.8)
axes.set_title("Up: the model's errors are smaller than the mean's", loc="left", fontsize=10)
axes.grid(alpha=0.3)
plt.show()
(100 * comparison.table("years")).round(2)

# %% [markdown]
# ### Does the interval hold in wild weather?
# It promises nine outcomes of ten. One of a single width would hold too many in calm times, and too few when it matters.

# %%
fifths = comparison.table("volatility")["lstm"]
coverage, width = (100 * fifths[fifths.index.str.startswith(kind)] for kind in ("coverage", "width"))
figure, panels = plt.subplots(1, 2, figsize=(9, 3))
panels[0].bar(coverage.index.str.removeprefix("coverage_"), coverage, color="C0")
panels[0].axhline(90, color="0.3", linewidth=0.8)
panels[0].set(title="outcomes in the 90 % interval [%]", ylim=(0, 100))
panels[1].bar(width.index.str.removeprefix("width_"), width, color="0.6")
panels[1].set(title="its width [%]")
figure.supxlabel("bars by volatility, fifths")
figure.tight_layout()
plt.show()

# %% [markdown]
# ### Train again, and the order flips?
# Each member alone, traded: the thin lines. That is what one network with another seed would have shown.

# %%
equity = (1 + comparison.returns).cumprod()
figure, axes = plt.subplots(figsize=(9, 4))
for model, color in {"lstm": "C0", "rnn": "C1"}.items():
    own = comparison.members[comparison.members["model"] == model]
    for _, member in own.groupby("member"):
        axes.plot(member.index, member["equity"] / member["equity"].iloc[0], color=color, linewidth=0.7, alpha=0.6)
    axes.plot(equity.index, equity[model], color=color, linewidth=2, label=model)
axes.plot(equity.index, equity["buy_and_hold"], color="0.6", label="buy & hold")
axes.set(title="Equity after costs; thin: each member alone", ylabel="equity, start = 1")
axes.legend(frameon=False)
axes.grid(alpha=0.3)
plt.show()
pd.concat([comparison.table("members"), comparison.table("flips")]).round(2)

# %% [markdown]
# ### Where did the money come from?
# Summed simple returns, in per cent of equity. Average exposure is the buy & hold in it; timing is what being in and out at
# the right bars added; the rest was paid. The parts add up exactly.

# %%
parts = 100 * comparison.table("money").loc["timing":"total"]
axes = parts.loc[["timing", "exposure", "trading_costs"], ["lstm", "rnn"]].T.plot.barh(stacked=True, figsize=(9, 2.6))
axes.axvline(0, color="0.3", linewidth=0.8)
axes.margins(x=0.05)
axes.set(xlabel="sum of simple returns [%]")
axes.legend(frameon=False, ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1))
plt.show()
parts.round(2)

# %% [markdown]
# ### What if trading cost more, or the order went out late?

# %%
pd.concat([comparison.table("at_costs").filter(like="sharpe", axis=0), comparison.table("delays")]).round(2)

# %% [markdown]
# And the differences in money, drawn together so that what moves both is no difference: the number, its interval's ends,
# the p-value.

# %%
pd.concat(
    {part: comparison.table("differences", part).loc["sharpe"] for part in ("value", "low", "high", "p")}, axis=1
).round(2)

# %% [markdown]
# ## Try often enough, and something shines
# Four thresholds, one after the other. The ledger remembers what was tried on these bars, in this session or in any other,
# and the deflated Sharpe ratio asks for more the more there was.

# %%
with tempfile.TemporaryDirectory() as ledger:
    tried = [ls.compare(prices, models[:1], threshold=each, ledger=ledger) for each in (0.25, 0.5, 0.75, 1.0)]
for comparison in tried:
    measures = comparison.table("trading")["lstm"]
    print(
        f"threshold {comparison.report['strategy']['parameters']['threshold']:.2f}: "
        f"Sharpe {measures['sharpe']:+.2f}, above 0 with a chance of {measures['probabilistic_sharpe']:.0%}; "
        f"given the {comparison.report['trials']['lifetime']['value']} things tried by then, "
        f"{measures['deflated_sharpe']:.0%}"
    )
