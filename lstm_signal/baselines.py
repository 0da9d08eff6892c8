"""What every model is set beside: linear on the same windows, the training rows' mean, and no change."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lstm_signal.forecasts import Forecasts
from lstm_signal.schedule import WalkForward
from lstm_signal.walk import forecast


def linear_beside(prices: pd.DataFrame, models: list[Forecasts]) -> list[Forecasts]:
    """Walk the linear model over exactly the first audited model's windows, unless it is there or cannot be."""
    if any(model.name == "linear" for model in models):
        return []
    for model in models:
        if model.recipe is not None:
            about = model.about
            return [
                forecast(
                    prices, model.recipe.replace(cell="linear"), WalkForward(**about["schedule"]), seed=about["seed"],
                    n_jobs=1, progress=False,
                )
            ]  # fmt: skip
    return []


def naive_and_mean(model: Forecasts) -> list[Forecasts]:
    """Return the two baselines that need no fit: the training rows' mean return, and no change."""
    frame, about = model.frame, {"target": model.target, "horizon": model.horizon, "audited": model.audited}
    baselines = []
    for name, values in (("mean", frame["mean"]), ("naive", 0.0 * frame["forecast"])):
        said = frame.assign(forecast=values, spread=np.nan, lower=np.nan, upper=np.nan, strength=np.nan)
        said["price"] = frame["price"] / np.exp(frame["forecast"]) * np.exp(said["forecast"])
        baselines.append(Forecasts(name, said, said[["forecast"]].set_axis(["0"], axis=1), about | {"name": name}))
    return baselines
