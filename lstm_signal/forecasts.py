"""Forecasts, stamped by the bar they were made at: with strength, interval, spread and where they came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstm_signal.errors import InputError
from lstm_signal.files import replacing
from lstm_signal.fits import mean_and_spread
from lstm_signal.forecaster import Forecaster
from lstm_signal.intervals import half_width, strength, volatility
from lstm_signal.tables import html_table, text_table
from lstm_signal.windows import TARGETS, Array, lag, targets

COLUMNS = (
    "forecast", "price", "lower", "upper", "spread", "strength", "mean", "fold", "data_through", "fit",
)  # fmt: skip

_PREFIX = "# lstm_signal "


@dataclass(frozen=True, eq=False)
class Forecasts:
    """What one model said at the close of each out-of-sample bar.

    Attributes
    ----------
    name : str
        The model's column in every table.
    frame : DataFrame
        One row a bar that a forecast was made at. `forecast`, `lower`, `upper`, `spread` (deviation over
        members) and `mean` (the training rows' mean target) are log returns, fractions; `price` is
        close * exp(forecast), the predicted next value; `strength` is (forecast - mean) over the RMS of its
        earlier values; `fold`, `data_through` (the last bar the fit has seen) and `fit` say which fit spoke.
    members : DataFrame, shape (bars, members)
        Each member's forecast, a log return.
    about : dict
        Provenance: prices, recipe, schedule, seed, versions; `audited` is False for forecasts made elsewhere.
    recipe : Forecaster, optional
        What the walk was made with; None for forecasts made elsewhere, and for those read from a file that used a
        feature of one's own, whose function no file holds.
    """

    name: str
    frame: pd.DataFrame
    members: pd.DataFrame
    about: Mapping[str, Any] = field(repr=False)
    recipe: Forecaster | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return f"<Forecasts {self.name}, {len(self)} bars, {self.frame.index[0]} to {self.frame.index[-1]}>"

    def __str__(self) -> str:
        return text_table(*self._shown())

    def _repr_html_(self) -> str:
        return html_table(*self._shown())

    def _shown(self) -> tuple[str, list[str], list[list[str]]]:
        """Return the latest rows as title, header and rows of text, units in the labels."""
        header = [
            "made at",
            "forecast [%]",
            "lower [%]",
            "upper [%]",
            "spread [%]",
            "price",
            "strength",
            "data through",
        ]
        rows = []
        for stamp, row in self.frame.tail(5).iterrows():
            per_cent = [f"{100 * row[name]:.3f}" for name in ("forecast", "lower", "upper", "spread")]
            through = str(row["data_through"]).removesuffix(" 00:00:00")
            made_at = str(stamp).removesuffix(" 00:00:00")
            rows.append([made_at, *per_cent, f"{row['price']:.2f}", f"{row['strength']:.2f}", through])
        audit = "" if self.audited else ", unaudited"
        made = int(self.frame["forecast"].notna().sum())
        about = f"{made} forecasts of the {self.target} return over {self.horizon} bar(s){audit}"
        return f"{self.name}: {about}; the latest", header, rows

    def plot(self) -> Any:
        """Return a plotly figure of the price with the predicted next value and its interval."""
        from lstm_signal import figures

        close = self.frame["price"] / np.exp(self.frame["forecast"])
        return figures.band(close, self.frame, self.name)

    @property
    def target(self) -> str:
        """What is forecast: "open", "close" or "next_close"."""
        return str(self.about["target"])

    @property
    def horizon(self) -> int:
        """Bars between forecast and outcome."""
        return int(self.about["horizon"])

    @property
    def audited(self) -> bool:
        """Whether this library made the forecasts, and so vouches for what their fits have seen."""
        return bool(self.about["audited"])

    def outcomes(self, prices: pd.DataFrame) -> pd.Series:
        """Return what came of each forecast: log returns by the bar the forecast was made at, NaN while not known.

        Raises
        ------
        InputError
            If the forecasts were made on other prices.
        """
        check_same_prices(self, prices)
        known = pd.Series(targets(prices, self.target, self.horizon), index=prices.index)
        return known.reindex(self.frame.index).rename("outcome")

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, name: str, target: str = "open", horizon: int = 1) -> Forecasts:
        """Take in forecasts made elsewhere; every report calls them unaudited.

        Parameters
        ----------
        frame : DataFrame
            By the bar each forecast was made at; `forecast` [log return] is needed, the other columns of
            `Forecasts.frame` are taken where they stand. Without `mean`, strength is measured from zero.
        name : str
            The model's name in every table.
        target : {"open", "close", "next_close"}
            The return that is forecast.
        horizon : int
            Bars between forecast and outcome.

        Raises
        ------
        InputError
            If it is no such frame, or its stamps are unsorted, doubled or no dates.

        Examples
        --------
        >>> frame = pd.DataFrame({"forecast": [0.01, -0.02]}, index=pd.to_datetime(["2024-01-02", "2024-01-03"]))
        >>> Forecasts.from_frame(frame, name="mine").audited
        False
        """
        if isinstance(frame, pd.Series):
            raise InputError("a bare Series does not say what it holds: Forecasts.from_frame takes a DataFrame with a "
                             "column 'forecast', so call it with series.to_frame('forecast').")  # fmt: skip
        if not isinstance(frame, pd.DataFrame) or "forecast" not in frame:
            raise InputError("forecasts need a DataFrame with a column 'forecast' of log returns.")
        if not isinstance(horizon, int) or isinstance(horizon, bool) or horizon < 1:
            raise InputError(f"horizon={horizon!r} must be a whole number of bars, 1 or more.")
        if target not in TARGETS:
            raise InputError(f"unknown target {target!r}. Known: {', '.join(TARGETS)}.")
        if frame.empty:
            raise InputError(f"forecasts {name!r} hold no bars.")
        index = frame.index
        if (
            not isinstance(index, pd.DatetimeIndex)
            or index.hasnans
            or not (index.is_monotonic_increasing and index.is_unique)
        ):
            raise InputError(f"forecasts {name!r} need a DatetimeIndex, sorted, each bar once.")
        index = index.tz_localize(None) if index.tz is not None else index
        table = frame.set_axis(pd.DatetimeIndex(index.as_unit("ns"), name="date"))
        table = table.reindex(columns=list(COLUMNS))
        for column in COLUMNS[:7]:
            try:
                table[column] = table[column].astype("float64")
            except (TypeError, ValueError) as error:
                raise InputError(f"forecasts {name!r}: column {column!r} must hold numbers: {error}") from error
        wild = ~(table["forecast"].isna() | (table["forecast"].abs() <= 1))
        if wild.any():
            raise InputError(
                f"forecasts {name!r}: {table['forecast'][wild].iloc[0]:g} at {table.index[wild][0]} is no log return "
                "of a bar. If the forecasts are prices, give np.log(forecast price / close)."
            )
        try:
            table["fold"] = table["fold"].fillna(0).astype("int64")
            table["data_through"] = (
                pd.to_datetime(table["data_through"], format="ISO8601").dt.tz_localize(None).astype("datetime64[ns]")
            )
        except (TypeError, ValueError) as error:
            raise InputError(f"forecasts {name!r}: fold must hold numbers and data_through dates: {error}") from error
        table["fit"] = table["fit"].astype(object).where(table["fit"].notna(), "").astype(str)
        if table["strength"].isna().all():
            excess = table["forecast"] - table["mean"].fillna(0.0)
            table["strength"] = strength(excess.to_numpy())
        about = {"name": name, "target": target, "horizon": horizon, "audited": False}
        return cls(name, table, table[["forecast"]].set_axis(["0"], axis=1), about)

    def save(self, path: str | Path) -> Path:
        """Write the forecasts with their provenance to a .parquet or .csv file; return its path."""
        path = Path(path)
        table = self.frame.join(self.members.add_prefix("member_"))
        about = json.dumps(dict(self.about), sort_keys=True)
        with replacing(path) as temporary:
            if path.suffix == ".parquet":
                table.attrs = {"lstm_signal": about}
                table.to_parquet(temporary)
            elif path.suffix == ".csv":
                with temporary.open("w", encoding="utf-8", newline="") as file:
                    file.write(f"{_PREFIX}{about}\n")
                    table.to_csv(file)
            else:
                raise InputError(f"cannot save forecasts as {path.name}: the name must end in .parquet or .csv.")
        return path


def read_forecasts(path: str | Path) -> Forecasts:
    """Read forecasts that `Forecasts.save` wrote.

    Raises
    ------
    InputError
        If there is no such file, or it carries no provenance (then see `Forecasts.from_frame`).
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no such file: {path}. Give the path of forecasts that were saved.")
    foreign = InputError(
        f"{path} was not saved by lstm_signal. Read it yourself and pass it to Forecasts.from_frame(frame, name=...)."
    )
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
            about = json.loads(table.attrs["lstm_signal"])
        else:
            with path.open(encoding="utf-8") as file:
                about = json.loads(file.readline().removeprefix(_PREFIX))
            table = pd.read_csv(
                path,
                skiprows=1,
                index_col="date",
                parse_dates=["date", "data_through"],
                dtype={"fit": str},  # a key may look like a number
            )
        table.attrs = {}
        members = table.filter(regex=r"^member_").rename(columns=lambda name: name.removeprefix("member_"))
        frame = table[list(COLUMNS)].assign(
            data_through=table["data_through"].astype("datetime64[ns]"),
            fit=table["fit"].fillna("").astype(str),
        )
        frame.index = members.index = pd.DatetimeIndex(table.index, name="date").as_unit("ns")
        if not {"name", "target", "horizon", "audited"} <= set(about):
            raise KeyError("provenance")
        return Forecasts(str(about["name"]), frame, members, about, _recipe(about))
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise foreign from error


def _recipe(about: Mapping[str, Any]) -> Forecaster | None:
    recipe = about.get("recipe")
    if recipe is None or not all(isinstance(item, str) for item in recipe["features"]):
        return None
    return Forecaster(**recipe)


def told_failures(name: str, failed: Sequence[Mapping[str, Any]]) -> str:
    """Return what to say of a model some of whose fits became NaN: what stands under "failed" in `about`."""
    bars = {failure["fold"]: failure["bars"] for failure in failed}
    return (
        f"{name}: {len(failed)} fit(s) became NaN, so {sum(bars.values())} bars of fold(s) "
        f"{', '.join(map(str, bars))} have no forecast; they count for no model's forecast measures"
    )


def check_same_prices(forecasts: Forecasts, prices: pd.DataFrame) -> None:
    """Raise InputError unless each bar that a forecast was made at stands in the prices, with the same close."""
    frame = forecasts.frame
    missing = frame.index.difference(prices.index)
    name = prices.attrs.get("name", "these prices")
    if len(missing):
        raise InputError(
            f"forecasts {forecasts.name!r} were made at {len(missing)} bars that {name} has not, the first "
            f"{missing[0]}. Use the prices they were made on, or forecast again."
        )
    close = prices["close"].reindex(frame.index)
    made_from = frame["price"] / np.exp(frame["forecast"])
    other = (made_from / close - 1).abs() > 1e-9
    if other.any():
        stamp = frame.index[int(np.argmax(other))]
        raise InputError(
            f"forecasts {forecasts.name!r} were made on other prices: their close at {stamp} was "
            f"{made_from[stamp]:.6g}, {name} has {close[stamp]:.6g}. "
            "Use the prices they were made on, or forecast again."
        )


def assemble(
    name: str,
    prices: pd.DataFrame,
    folds: pd.DataFrame,
    members: list[Array],
    about: Mapping[str, Any],
    recipe: Forecaster,
) -> Forecasts:
    """Return the Forecasts of a walk: what the fits said, with strength and interval made from realised outcomes alone.

    Parameters
    ----------
    name : str
    prices : DataFrame
    folds : DataFrame
        By forecast bar: mean, fold, data_through, fit.
    members : list of ndarray, each of shape (bars,)
    about : mapping
    recipe : Forecaster
    """
    rows = prices.index.get_indexer(folds.index)
    horizon, target = int(about["horizon"]), str(about["target"])
    forecast, spread = mean_and_spread(members)
    outcome = targets(prices, target, horizon)[rows]
    width = half_width(outcome - forecast, volatility(prices)[rows], lag(target, horizon), recipe.coverage)
    frame = folds.assign(
        forecast=forecast,
        price=prices["close"].to_numpy()[rows] * np.exp(forecast),
        lower=forecast - width,
        upper=forecast + width,
        spread=spread,
        strength=strength(forecast - folds["mean"].to_numpy()),
    )
    by_member = pd.DataFrame({str(number): values for number, values in enumerate(members)}, index=folds.index)
    return Forecasts(name, frame[list(COLUMNS)], by_member, about, recipe)
