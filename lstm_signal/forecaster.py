"""A recipe that can be fitted, and what fitting it gives: Forecaster and FittedForecaster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lstm_signal.bars import as_prices, refuse_fake_opens, stamps_of
from lstm_signal.errors import InputError
from lstm_signal.fits import Member, TrainingRows, mean_and_spread
from lstm_signal.recipe import Recipe
from lstm_signal.saving import read_fit, write_fit
from lstm_signal.streaming import Stream, rates_over_time
from lstm_signal.windows import Array, FeatureFunction, feature_matrix, targets

DEFAULT_SEED = 7
RATE_COLUMNS = ("forget", "input", "output", "candidate", "memory", "h")


@dataclass(frozen=True, kw_only=True)
class Forecaster(Recipe):
    """A recipe for a network and its training; nothing in it is fitted.

    ==========================================  =================================================
    ``Forecaster()``                            an LSTM at the defaults
    ``Forecaster(cell="rnn", hidden=65)``       a simple RNN of 65 hidden units
    ``lstm.replace(cell="rnn")``                the same recipe, other cell
    ``lstm.matched("rnn")``                     ... with as many parameters as `lstm` has
    ``Forecaster(features=("return", mine))``   with a feature of one's own, see `feature`
    ==========================================  =================================================

    Every field, with its default, stands in `Recipe`.

    Examples
    --------
    >>> lstm = Forecaster(window=10)
    >>> lstm.replace(cell="rnn").window
    10
    >>> lstm.parameters, lstm.matched("rnn").hidden
    (4513, 65)
    """

    def fit(self, prices: pd.DataFrame, seed: int = DEFAULT_SEED) -> FittedForecaster:
        """Fit every member on all bars given.

        The fit is that of a walk's fold whose first test bar is the last bar given: the targets known by its close.

        Parameters
        ----------
        prices : DataFrame, shape (bars, 6)
        seed : int

        Returns
        -------
        FittedForecaster

        Raises
        ------
        InputError
            If the prices are not clean bars, or too few for two training rows.
        """
        prices = as_prices(prices)
        if self.resolved_target == "open":
            refuse_fake_opens(prices)
        needed = self.warm_up + self.lag + 2
        if len(prices) < needed:
            raise InputError(f"{len(prices)} bars are too few to fit: {needed} are needed. Load more bars.")
        x, y = feature_matrix(prices, self.features), targets(prices, self.resolved_target, self.horizon)
        rows = TrainingRows.cut(self, x, y, stamps_of(prices), self.warm_up, len(prices) - 1 - self.lag)
        members = tuple(rows.fit(self, seed, member) for member in self.seeds)
        return FittedForecaster(self, members, prices.index[-1], seed, rows.key(self, seed))


class FittedForecaster:
    """A fitted recipe. Made by `Forecaster.fit`; saved as data, never as a pickle.

    Attributes
    ----------
    recipe : Forecaster
    members : tuple of Member
    data_through : Timestamp
        The last bar that the fit has seen.
    seed : int
    key : str
        SHA-256 of all that decided the weights.
    """

    def __init__(
        self, recipe: Forecaster, members: tuple[Member, ...], data_through: pd.Timestamp, seed: int, key: str
    ) -> None:
        self.recipe, self.members, self.seed, self.key = recipe, members, seed, key
        self.data_through = pd.Timestamp(data_through)

    def __repr__(self) -> str:
        return f"<fitted {self.recipe.cell}, {len(self.members)} members, data through {self.data_through}>"

    def predict(self, prices: pd.DataFrame) -> pd.Series:
        """Return the forecast made at the close of every bar.

        Parameters
        ----------
        prices : DataFrame, shape (bars, 6)

        Returns
        -------
        Series, shape (bars,)
            Forecast returns, stamped by the bar they were made at; NaN while the first window fills.
        """
        prices = as_prices(prices)
        forecasts = np.full(len(prices), np.nan)
        if len(prices) > self.recipe.warm_up:
            said = mean_and_spread([member.forecast(self._features(prices)) for member in self.members])[0]
            forecasts[self.recipe.warm_up :] = said[self.recipe.window - 1 :]
        return pd.Series(forecasts, index=prices.index, name="forecast")

    def stepper(self) -> Stream:
        """Return what takes one bar at a time and gives the same forecasts as `predict`, without torch.

        Examples
        --------
        >>> from lstm_signal import sample_prices
        >>> prices = sample_prices().iloc[:300]
        >>> fitted = Forecaster(cell="linear").fit(prices)
        >>> step = fitted.stepper()
        >>> live = [step.update(bar) for bar in prices.itertuples()]
        >>> live[20:] == fitted.predict(prices).to_list()[20:]
        True
        """
        return Stream(self.recipe, self.members)

    def rates(self, prices: pd.DataFrame, units: bool = False) -> pd.DataFrame:
        """Return what the LSTM does with each bar: how much it forgets, lets in and shows.

        Parameters
        ----------
        prices : DataFrame, shape (bars, 6)
        units : bool
            Give each hidden unit of each member, and not their mean.

        Returns
        -------
        DataFrame, shape (bars, 6)
            Forget, input and output rate, candidate, memory cell and h_t, of the last layer after the last bar of
            each bar's window, in the columns forget, input, output, candidate, memory and h; NaN while the first
            window fills. With `units`, (bars, 6 * members * hidden) over the levels rate, member and unit.

        Raises
        ------
        InputError
            If the cell has no rates.
        """
        if self.recipe.trained_cell != "lstm":
            raise InputError(f"a {self.recipe.trained_cell} has no rates to look at: fit a Forecaster of cell 'lstm'.")
        prices = as_prices(prices)
        found = np.full((len(prices), len(RATE_COLUMNS), len(self.members), self.recipe.hidden), np.nan)
        if len(prices) > self.recipe.warm_up:
            x = self._features(prices)
            for number, member in enumerate(self.members):
                found[self.recipe.warm_up :, :, number] = rates_over_time(member, x)[self.recipe.window - 1 :]
        if not units:
            return pd.DataFrame(found.mean(axis=(2, 3)), index=prices.index, columns=list(RATE_COLUMNS))
        levels = [RATE_COLUMNS, range(len(self.members)), range(self.recipe.hidden)]
        columns = pd.MultiIndex.from_product(levels, names=["rate", "member", "unit"])
        return pd.DataFrame(found.reshape(len(prices), -1), index=prices.index, columns=columns)

    def _features(self, prices: pd.DataFrame) -> Array:
        """Return the features from the first bar of the first full window on."""
        return feature_matrix(prices, self.recipe.features)[self.recipe.warm_up - self.recipe.window + 1 :]

    def save(self, path: str | Path) -> Path:
        """Write the fit as one safetensors file, whole or not at all; return its path."""
        provenance = {"seed": self.seed, "data_through": self.data_through.isoformat(), "key": self.key}
        write_fit(Path(path), self.recipe, self.members, provenance)
        return Path(path)


def load_forecaster(path: str | Path, features: tuple[FeatureFunction, ...] = ()) -> FittedForecaster:
    """Read a fit that `FittedForecaster.save` wrote.

    Parameters
    ----------
    path : str or Path
    features : tuple of functions
        The features of one's own that the recipe names; their source must be what it was at the fit.

    Raises
    ------
    InputError
        If the file is cut short, damaged, foreign or of another format, or one of its own features is missing or
        has changed. Nothing in a file is ever run.
    """
    fields, members, provenance = read_fit(Path(path), features)
    through = pd.Timestamp(provenance["data_through"])
    return FittedForecaster(Forecaster(**fields), members, through, provenance["seed"], provenance["key"])
