"""Charts for screens, drawn by plotly. Drawing only: what is drawn is computed elsewhere; nothing of ours is imported.

One model has one colour in every chart; the colours are told apart by the colour-blind (Okabe and Ito, 2008).
Backgrounds are clear, so that a page may be light or dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

COLORS = {"lstm": "#0072b2", "rnn": "#d55e00", "rnn_matched": "#009e73", "linear": "#cc79a7", "buy_and_hold": "#808080"}
OTHERS = ("#b8860b", "#56b4e9", "#8b5fbf", "#c44e52", "#4c9f70", "#937860")
POINTS = 1500  # of a line: more cannot be seen, and make a page heavy
RATES = {"forget": "#0072b2", "input": "#d55e00", "output": "#009e73"}


def colors(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each model, that of its name or the next one that is free."""
    others = [name for name in names if name not in COLORS]
    free = dict(zip(others, (OTHERS * (1 + len(others) // len(OTHERS)))[: len(others)], strict=True))
    return {name: COLORS.get(name) or free[name] for name in names}


def told(name: str) -> str:
    """Return a name as a chart may show it: plotly reads a markup of its own in every text."""
    return escape(name.replace("buy_and_hold", "buy & hold"))


def _thin(series: pd.Series) -> pd.Series:
    """Return every n-th value and the last one."""
    step = max(1, -(-len(series) // POINTS))
    return series.iloc[sorted({*range(0, len(series), step), len(series) - 1})] if len(series) else series


def _line(series: pd.Series, model: str, color: str, **given: Any) -> go.Scatter:
    thin = _thin(series)
    return go.Scatter(
        x=thin.index, y=thin.to_numpy(), name=told(model), legendgroup=told(model), meta=model, mode="lines",
        line={"color": color, "width": given.pop("width", 1.8)}, **given,
    )  # fmt: skip


def _laid_out(figure: go.Figure, height: int, **given: Any) -> go.Figure:
    figure.update_layout(
        height=height, margin={"l": 62, "r": 12, "t": 28, "b": 40}, paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)", legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        font={"family": "system-ui, sans-serif", "size": 12}, hovermode="x unified", **given,
    )  # fmt: skip
    figure.update_xaxes(gridcolor="rgba(128,128,128,.25)", zerolinecolor="rgba(128,128,128,.6)")
    figure.update_yaxes(gridcolor="rgba(128,128,128,.25)", zerolinecolor="rgba(128,128,128,.6)")
    return figure


def equity(returns: pd.DataFrame, members: pd.DataFrame) -> go.Figure:
    """Draw equity from 1, with each member alone as thin lines, and the drawdown below.

    Parameters
    ----------
    returns : DataFrame, shape (bars, models)
        Simple returns.
    members : DataFrame
        By bar: `model`, `member`, `equity`.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.04)
    color = colors([str(name) for name in returns])
    for (name, _), own in members.groupby(["model", "member"], sort=False):
        model = str(name)
        line = own["equity"] / own["equity"].iloc[0]
        drawn = _line(
            line, model, color.get(model, "#808080"), width=0.6, opacity=0.5, showlegend=False, hoverinfo="skip"
        )
        figure.add_trace(drawn, row=1, col=1)
    for model, values in zip(color, returns.to_numpy().T, strict=True):
        grown = pd.Series(values + 1, index=returns.index).cumprod()
        figure.add_trace(_line(grown, model, color[model], hovertemplate="%{y:.3f}"), row=1, col=1)
        under = 100 * (grown / grown.cummax().clip(lower=1) - 1)
        drawn = _line(under, model, color[model], width=1, showlegend=False, hovertemplate="%{y:.1f} %")
        figure.add_trace(drawn, row=2, col=1)
    figure.update_yaxes(title_text="equity, start = 1", row=1, col=1)
    figure.update_yaxes(title_text="drawdown [%]", row=2, col=1)
    return _laid_out(figure, 520)


def error_gain(gain: pd.DataFrame) -> go.Figure:
    """Draw the squared errors that the mean has made so far, less each model's: up is good."""
    figure, color = go.Figure(), colors([str(name) for name in gain])
    for model, values in gain.items():
        figure.add_trace(_line(1e4 * values.dropna(), str(model), color[str(model)], hovertemplate="%{y:.2f}"))
    figure.update_yaxes(title_text="squared error saved [%²]")
    return _laid_out(figure, 320)


def scatter(forecasts: pd.DataFrame, models: Sequence[str]) -> go.Figure:
    """Draw what came against what was said, a panel a model; the shaded quadrants are right in sign."""
    shown = list(models)[:2]
    figure = make_subplots(rows=1, cols=max(1, len(shown)), shared_yaxes=True, horizontal_spacing=0.04,
                           subplot_titles=[told(name) for name in shown])  # fmt: skip
    color = colors(list(models))
    for column, model in enumerate(shown, start=1):
        own = forecasts[forecasts["model"] == model].dropna(subset=["forecast", "outcome"])
        x, y = 100 * own["forecast"].to_numpy(), 100 * own["outcome"].to_numpy()
        far = [1.05 * float(np.abs(values).max()) if len(values) else 1.0 for values in (x, y)]
        for sign in (1, -1):
            figure.add_shape(type="rect", x0=0, y0=0, x1=sign * far[0], y1=sign * far[1], line_width=0, layer="below",
                             fillcolor="rgba(128,128,128,.12)", row=1, col=column)  # fmt: skip
        dots = go.Scattergl if len(x) > 20_000 else go.Scatter
        days = [str(stamp)[:10] for stamp in own.index]
        figure.add_trace(
            dots(x=x, y=y, mode="markers", name=told(model), meta=model, showlegend=False,
                 marker={"color": color[model], "size": 4, "opacity": 0.4},
                 text=days, hovertemplate="%{text}: said %{x:.2f} %, came %{y:.2f} %"),
            row=1, col=column,
        )  # fmt: skip
        figure.update_xaxes(title_text="forecast return [%]", row=1, col=column)
    figure.update_yaxes(title_text="outcome [%]", row=1, col=1)
    return _laid_out(figure, 360).update_layout(hovermode="closest")


def bars(table: pd.DataFrame, title: str, factor: float = 100.0, *, stacked: bool = False) -> go.Figure:
    """Draw a table as bars: a group a row, a colour a column; or, stacked, a bar a column and a colour a row."""
    figure, color = go.Figure(), colors([str(name) for name in table])
    if stacked:
        for number, (part, values) in enumerate(table.iterrows()):
            of_part, names = (*OTHERS, *COLORS.values())[number], [told(str(name)) for name in table]
            figure.add_trace(go.Bar(x=factor * values, y=names, orientation="h", name=told(str(part)),
                                    marker_color=of_part, hovertemplate="%{x:.2f}"))  # fmt: skip
        figure.update_xaxes(title_text=title)
        return _laid_out(figure, 120 + 50 * table.shape[1], barmode="relative").update_layout(hovermode="closest")
    for model, values in table.items():
        figure.add_trace(go.Bar(x=[str(row) for row in table.index], y=factor * values, name=told(str(model)),
                                meta=str(model), marker_color=color[str(model)], hovertemplate="%{y:.2f}"))  # fmt: skip
    figure.update_yaxes(title_text=title)
    return _laid_out(figure, 320, barmode="group").update_xaxes(type="category")


def lines(table: pd.DataFrame, across: str, title: str) -> go.Figure:
    """Draw a table as lines with a point a row, a colour a column."""
    figure, color = go.Figure(), colors([str(name) for name in table])
    for model, values in table.items():
        figure.add_trace(go.Scatter(x=list(table.index), y=values, name=told(str(model)), meta=str(model),
                                    mode="lines+markers", line={"color": color[str(model)]},
                                    hovertemplate="%{y:.2f}"))  # fmt: skip
    figure.update_xaxes(title_text=across, type="category")
    figure.update_yaxes(title_text=title)
    return _laid_out(figure, 300)


def rates(close: pd.Series, values: pd.DataFrame, fitted_through: pd.Timestamp | None = None) -> go.Figure:
    """Draw an LSTM's forget, input and output rate under the price; the bars that its fit has seen are shaded."""
    figure = make_subplots(rows=4, cols=1, shared_xaxes=True, row_heights=[0.4, 0.2, 0.2, 0.2], vertical_spacing=0.03)
    figure.add_trace(_line(close, "close", "#808080", showlegend=False, width=1), row=1, col=1)
    figure.update_yaxes(title_text="close", type="log", row=1, col=1)
    for row, (name, color) in enumerate(RATES.items(), start=2):
        drawn = _line(values[name], name, color, showlegend=False, width=0.8, hovertemplate="%{y:.3f}")
        figure.add_trace(drawn, row=row, col=1)
        figure.update_yaxes(title_text=name, row=row, col=1)
    if fitted_through is not None:
        figure.add_vrect(x0=close.index[0], x1=fitted_through, fillcolor="rgba(128,128,128,.15)", line_width=0)
    return _laid_out(figure, 560)


def band(close: pd.Series, frame: pd.DataFrame, name: str) -> go.Figure:
    """Draw the price with the forecast of the next value and its interval.

    Parameters
    ----------
    close : Series, shape (bars,)
        Of the bars the forecasts were made at.
    frame : DataFrame
        `price`, `lower` and `upper` [log return] of each.
    """
    figure, color = go.Figure(), colors([name])[name]
    low, high = (_thin(close * np.exp(frame[end])) for end in ("lower", "upper"))
    figure.add_trace(go.Scatter(x=high.index, y=high, line_width=0, mode="lines", showlegend=False, hoverinfo="skip"))
    figure.add_trace(go.Scatter(x=low.index, y=low, line_width=0, mode="lines", fill="tonexty", name="interval",
                                fillcolor="rgba(128,128,128,.3)", hoverinfo="skip"))  # fmt: skip
    figure.add_trace(_line(close, "close", "#808080", width=1, hovertemplate="%{y:.2f}"))
    figure.add_trace(_line(frame["price"], name, color, width=1, hovertemplate="%{y:.2f}"))
    figure.update_yaxes(title_text="price")
    return _laid_out(figure, 420)


def shown(parts: Mapping[str, go.Figure]) -> dict[str, Any]:
    """Return figures as JSON can hold them, by their names."""
    import json

    return {name: json.loads(figure.to_json()) for name, figure in parts.items()}
