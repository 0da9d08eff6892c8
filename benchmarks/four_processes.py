"""LSTM and RNN on four processes whose truth is known: prints the table kept in four_processes.md.

    python benchmarks/four_processes.py

Where memory pays (switching) the LSTM shall be ahead; where one lag says all, or nothing does, it need not be.
"""

import numpy as np
import pandas as pd

import lstm_signal as ls

BARS, SERIES = 4000, 3
RECIPE = ls.Forecaster(target="close", members=1)  # simulated bars: fill="close", so the lag is 1


def autoregressive(noise: np.ndarray, lag: int, share: float) -> np.ndarray:
    y = np.zeros_like(noise)
    for t in range(lag, len(y)):
        y[t] = share * y[t - lag] + noise[t]
    return y


def ar1(noise: np.ndarray) -> np.ndarray:
    return autoregressive(noise, 1, 0.3)


def switching(noise: np.ndarray) -> np.ndarray:
    """The sign of the last large value decides whether values follow or oppose the one before."""
    y, sign = np.zeros_like(noise), 1.0
    for t in range(1, len(y)):
        sign = np.sign(y[t - 1]) if abs(y[t - 1]) > 1.5 else sign
        y[t] = 0.5 * sign * y[t - 1] + noise[t]
    return y


def lag18(noise: np.ndarray) -> np.ndarray:
    return autoregressive(noise, 18, 0.5)


def random_walk(noise: np.ndarray) -> np.ndarray:
    return noise


def prices(returns: np.ndarray) -> pd.DataFrame:
    close = 100 * np.exp(np.cumsum(0.005 * returns))
    index = pd.bdate_range("2000-01-03", periods=len(close))
    return pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), close), index=index)


def r2(forecasts: ls.Forecasts, bars: pd.DataFrame) -> float:
    outcome = forecasts.outcomes(bars)
    known = outcome.notna()
    error = (outcome - forecasts.frame["forecast"])[known]
    naive = (outcome - forecasts.frame["mean"])[known]
    return float(1 - (error**2).sum() / (naive**2).sum())


def main() -> None:
    print(f"{SERIES} series of {BARS} bars each, R2 against the mean [%], mean and range; {RECIPE}\n")
    print("| process | LSTM | RNN | LSTM ahead in |\n|---|---|---|---|")
    for process in (ar1, switching, lag18, random_walk):
        found = []
        for series in range(SERIES):
            bars = ls.total_return(prices(process(np.random.default_rng(series).standard_normal(BARS))))
            walked = ls.forecast(bars, [RECIPE, RECIPE.replace(cell="rnn")], seed=7, progress=False)
            found.append([100 * r2(model, bars) for model in walked])
        lstm, rnn = np.array(found).T
        cells = [f"{each.mean():.2f} ({each.min():.2f} to {each.max():.2f})" for each in (lstm, rnn)]
        print(f"| {process.__name__} | {cells[0]} | {cells[1]} | {int((lstm > rnn).sum())} of {SERIES} |", flush=True)


if __name__ == "__main__":
    main()
