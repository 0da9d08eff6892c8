"""The real yfinance against a server on loopback: every answer ends in the right bars or the right error."""

import warnings

import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal import updating
from lstm_signal import yahoo as client
from tests import yahoo_server as server
from tests.yahoo_server import NEW_YORK, Symbol, days

UTC = "UTC"


def at(text: str, zone: str = NEW_YORK) -> pd.Timestamp:
    return pd.Timestamp(text, tz=zone)


def test_daily_bars_are_raw_stamped_with_their_session_and_carry_their_dividends(yahoo, load):
    rows = days("2024-01-02", 60)
    yahoo.symbols["SPY"] = Symbol(rows, dividends={at("2024-01-10 09:30"): 1.5}, gains={at("2024-01-11 09:30"): 0.25})
    prices = load()
    assert list(prices.columns) == ["open", "high", "low", "close", "volume", "dividend"]
    assert prices.index.dtype == "datetime64[ns]"
    assert prices.index.tz is None
    assert list(prices.index) == list(rows.index.tz_localize(None).normalize())
    for column in ("open", "high", "low", "close", "volume"):
        assert prices[column].to_list() == rows[column].to_list()
    paid = prices["dividend"][prices["dividend"] != 0]
    assert {f"{stamp:%m-%d}": value for stamp, value in paid.items()} == {"01-10": 1.5, "01-11": 0.25}
    assert prices.attrs["name"] == "SPY"
    assert prices.attrs["vintage"] == 1


def test_yfinance_is_asked_for_raw_prices_and_for_events(yahoo, load):
    yahoo.symbols["SPY"] = Symbol(days("2024-01-02", 60))
    load(start="2024-01-10", end="2024-01-31")
    (query,) = yahoo.bars_asked
    assert "div" in query["events"]
    first, last = (pd.Timestamp(int(query[name]), unit="s", tz=UTC) for name in ("period1", "period2"))
    assert (first, last) == (at("2024-01-10"), at("2024-02-01"))


def test_both_ends_of_a_range_are_included(yahoo, load):
    yahoo.symbols["SPY"] = Symbol(days("2024-01-02", 60))
    prices = load(start="2024-01-10", end="2024-01-31")
    assert [str(prices.index[i].date()) for i in (0, -1)] == ["2024-01-10", "2024-01-31"]


def test_a_bar_whose_session_still_runs_is_left_out_and_said(yahoo, load):
    now = pd.Timestamp.now(NEW_YORK)
    opens = now.normalize()  # a session that runs whatever the hour of the test
    rows = pd.concat([days("2024-01-02", 30), server.walk(pd.DatetimeIndex([opens]))])
    symbol = Symbol(rows, period=(opens, now + pd.Timedelta("1h")))
    yahoo.symbols["SPY"] = symbol
    with pytest.warns(ls.PriceWarning, match=rf"SPY: the bar of {now:%Y-%m-%d} is unfinished"):
        assert len(load()) == 30
    symbol.period = (opens, now)
    with pytest.warns(ls.PriceWarning, match="no bars for"):  # this time it is there, a long gap after the others
        assert len(load("SPY", refresh=True)) == 31


def test_rows_without_prices_are_left_out_and_their_dividends_go_to_the_next_bar(yahoo, load):
    rows = days("2024-01-02", 40)
    rows.iloc[[5, 39]] = np.nan
    rows.iloc[11, 0] = np.nan
    yahoo.symbols["SPY"] = Symbol(rows, dividends={rows.index[5]: 2.0, rows.index[6]: 1.0})
    with pytest.warns(ls.PriceWarning, match=r"3 row\(s\) of Yahoo's without prices left out, the first at 2024-01-09"):
        prices = load()
    assert len(prices) == 37
    assert prices["dividend"].sum() == prices["dividend"].iloc[5] == 3.0


def test_doubled_rows_become_one(yahoo, load):
    rows = days("2024-01-02", 40)
    live = rows.iloc[[-1]].assign(close=rows["close"].iloc[-1] + 0.1).set_axis(rows.index[-1:] + pd.Timedelta("6h"))
    yahoo.symbols["SPY"] = Symbol(pd.concat([rows.iloc[:10], rows.iloc[[9]], rows.iloc[10:], live]))
    prices = load()
    assert list(prices.index) == list(rows.index.tz_localize(None).normalize())
    assert prices["close"].iloc[-1] == live["close"].iloc[0]  # the live row is the later word


def test_markets_round_the_clock_and_abroad_keep_their_own_days(yahoo, load):
    yahoo.symbols["BTC-USD"] = Symbol(days("2024-01-01", 40, zone=UTC, opens="00:00", freq="D"), zone=UTC,
                                      kind="CRYPTOCURRENCY")  # fmt: skip
    assert [str(day.date()) for day in load("BTC-USD").index[[0, 5, -1]]] == ["2024-01-01", "2024-01-06", "2024-02-09"]
    yahoo.symbols["7203.T"] = Symbol(days("2024-01-04", 20, zone="Asia/Tokyo", opens="09:00"), zone="Asia/Tokyo")
    assert str(load("7203.T").index[0].date()) == "2024-01-04"
    summer = days("2024-03-25", 10, zone="Europe/London", opens="00:00")  # 23:00 UTC the day before, from 31 March
    yahoo.symbols["EURUSD=X"] = Symbol(summer, zone="Europe/London", kind="CURRENCY")
    assert list(load("EURUSD=X").index) == list(summer.index.tz_localize(None))


def hours(zone: str = NEW_YORK) -> tuple[pd.DataFrame, list[tuple[pd.Timestamp, pd.Timestamp]]]:
    """Two days of hourly bars, the second a half day, and their sessions."""
    sessions = [(at("2024-07-02 09:30", zone), at("2024-07-02 16:00", zone)),
                (at("2024-07-03 09:30", zone), at("2024-07-03 13:00", zone))]  # fmt: skip
    first, second = (pd.date_range(*session, freq="60min", inclusive="left") for session in sessions)
    starts = first.append(second)
    return server.walk(starts), sessions


@pytest.fixture
def old_bars(monkeypatch):
    """Yahoo keeps intraday bars for ever, so that a test can have fixed dates."""
    monkeypatch.setattr(updating.sessions, "KEPT_DAYS", {})


def test_intraday_bars_are_stamped_when_they_close_at_their_sessions_end_at_the_latest(yahoo, load, old_bars):
    rows, sessions = hours()
    live = rows.iloc[[-1]].set_axis(pd.DatetimeIndex([sessions[1][1]]))  # a price after the close is no bar
    yahoo.symbols["SPY"] = Symbol(pd.concat([rows, live]), sessions=sessions, period=sessions[1])
    prices = load(interval="60m", start="2024-07-01")
    assert [f"{stamp:%d %H:%M}" for stamp in prices.index] == [
        "02 10:30", "02 11:30", "02 12:30", "02 13:30", "02 14:30", "02 15:30", "02 16:00",
        "03 10:30", "03 11:30", "03 12:30", "03 13:00",
    ]  # fmt: skip
    assert prices["close"].to_list() == rows["close"].to_list()
    assert prices.attrs["name"] == "SPY 60m"


def test_an_intraday_bar_that_has_not_closed_is_left_out(yahoo, load):
    now = pd.Timestamp.now(UTC).floor("1min") - pd.Timedelta("1min")  # a bar that begins this second is not asked for
    session = (now - pd.Timedelta("2h"), now + pd.Timedelta("1h"))
    starts = pd.date_range(session[0], now, freq="15min")
    yahoo.symbols["SPY"] = Symbol(server.walk(starts), sessions=[session], period=session)
    with pytest.warns(ls.PriceWarning, match="SPY: the last bar is unfinished"):
        assert len(load(interval="15m")) == len(starts) - 1


def test_intraday_currencies_are_stamped_in_utc_where_no_hour_repeats(yahoo, load, old_bars):
    zone = "Europe/London"
    session = (at("2024-10-27 00:00", zone), at("2024-10-28 00:00", zone))
    rows = server.walk(pd.date_range(*session, freq="60min", inclusive="left"))
    yahoo.symbols["GBPUSD=X"] = Symbol(rows, zone=zone, kind="CURRENCY", sessions=[session], period=session)
    prices = load("GBPUSD=X", interval="1h", start="2024-10-26")
    assert len(prices) == 25  # the clocks go back that night
    assert prices.index.is_monotonic_increasing
    assert str(prices.index[0]) == "2024-10-27 00:00:00"


def test_a_week_is_stamped_with_its_last_session(yahoo, load):
    rows = days("2024-03-04", 40).drop(at("2024-03-29 09:30"))  # Good Friday
    yahoo.symbols["SPY"] = Symbol(rows, dividends={rows.index[1]: 1.0, rows.index[3]: 2.0})
    daily, weekly = load(), load(interval="1wk")
    assert [f"{day:%a %d %b}" for day in weekly.index[:5]] == [
        "Fri 08 Mar", "Fri 15 Mar", "Fri 22 Mar", "Thu 28 Mar", "Fri 05 Apr",
    ]  # fmt: skip
    week = daily.loc["2024-03-25":"2024-03-29"]
    assert weekly.loc["2024-03-28"].to_list() == [
        week["open"].iloc[0], week["high"].max(), week["low"].min(), week["close"].iloc[-1], week["volume"].sum(), 0.0,
    ]  # fmt: skip
    assert weekly["dividend"].iloc[0] == 3.0


@pytest.mark.parametrize("last", ["2024-05-15", "2024-05-17"])
def test_a_week_that_is_not_over_is_no_bar(yahoo, load, last):
    yahoo.symbols["SPY"] = Symbol(days("2024-03-05", 60))  # until Monday 2024-05-27
    weekly = load(start="2024-03-13", end=last, interval="1wk")
    assert str(weekly.index[0].date()) == "2024-03-15"  # whole, although the range starts in the middle of it
    assert str(weekly.index[-1].date()) == ("2024-05-10" if last == "2024-05-15" else "2024-05-17")
    assert weekly["open"].iloc[0] == load()["open"].loc["2024-03-11"]


def test_an_offline_week_at_the_edge_of_what_is_there_is_no_bar(yahoo, load):
    yahoo.symbols["SPY"] = Symbol(days("2024-03-05", 60))
    load(start="2024-03-13", end="2024-05-16")
    weekly = load(interval="1wk", offline=True)
    assert [str(weekly.index[i].date()) for i in (0, -1)] == ["2024-03-22", "2024-05-10"]


def test_months_are_made_of_days_too(yahoo, load):
    yahoo.symbols["SPY"] = Symbol(days("2024-01-02", 65))  # until Monday 2024-04-01
    assert [str(day.date()) for day in load(interval="1mo", end="2024-03-31").index] == [
        "2024-01-31", "2024-02-29", "2024-03-29",
    ]  # fmt: skip


def test_a_weekly_forecast_is_invisible_before_its_week_is_over(yahoo, load):
    import backtrader as bt

    from lstm_signal.bt.indicators import Forecast

    yahoo.symbols["SPY"] = Symbol(days("2022-01-03", 150))
    daily, weekly = load(), load(interval="1wk")
    frame = pd.DataFrame({"forecast": np.arange(len(weekly)) / 1000}, index=weekly.index)
    forecasts = ls.Forecasts.from_frame(frame, name="weekly")
    seen = {}

    class Watch(bt.Strategy):
        def __init__(self):
            self.forecast = Forecast(self.data, forecasts=forecasts)

        def next(self):
            seen[pd.Timestamp(self.data.datetime.date(0))] = self.forecast.forecast[0]

    cerebro = bt.Cerebro()
    cerebro.adddata(bt.feeds.PandasData(dataname=daily))
    cerebro.addstrategy(Watch)
    cerebro.run()
    fridays = [day for day in seen if day in weekly.index]
    assert len(fridays) == len(weekly)
    assert {day: value for day, value in seen.items() if not np.isnan(value)} == frame["forecast"].to_dict()


FAULTS = [
    # what the server does, how often, and what comes of it
    (server.too_many, 2, None),
    (server.broken, 2, None),
    (server.broken_page, 2, None),
    (server.a_page, 1, None),
    (server.cut, 1, None),
    (server.silence, 1, None),
    (server.unauthorized, 2, None),
    (server.too_many, 0, "SPY: Yahoo limits how often it may be asked .HTTP status 429., 6 times. Try again later"),
    (server.broken, 0, "SPY: Yahoo answered with HTTP status 500, 6 times"),
    (server.broken_page, 0, "SPY: Yahoo answered with HTTP status 503, 6 times"),
    (server.a_page, 0, "SPY: Yahoo's answer cannot be read .*a page instead of data., 6 times"),
    (server.cut, 0, "SPY: Yahoo cannot be reached .*, 6 times"),
    (server.silence, 0, "SPY: Yahoo cannot be reached .Timeout.*, 6 times"),
    (server.unauthorized, 0, "SPY: Yahoo answered with HTTP status 401, 6 times"),
]


@pytest.mark.parametrize(("fault", "times", "error"), FAULTS,
                         ids=[f"{fault.__name__} {times or 'for ever'}" for fault, times, _ in FAULTS])  # fmt: skip
def test_a_fault_is_asked_again_and_told_when_it_stays(yahoo, load, tmp_path, capfd, fault, times, error):
    yahoo.symbols["SPY"] = Symbol(days("2024-01-02", 30))
    if error is None:
        yahoo.faults = [fault] * times
        assert len(load()) == 30
        assert f"Attempt 2 of {client.ATTEMPTS} in 0 s" in capfd.readouterr().err
    else:
        yahoo.for_ever = fault
        with pytest.raises(ls.FetchError, match=error):
            load(progress=False)
        assert capfd.readouterr().err == ""
        assert not list(tmp_path.rglob("*.json")) + list(tmp_path.rglob("*.parquet"))


@pytest.mark.parametrize("where", ["for the zone", "for the bars"])
def test_an_empty_answer_is_no_fault_of_the_network(yahoo, load, where):
    yahoo.symbols["SPY"] = Symbol(days("2024-01-02", 30))
    if where == "for the zone":
        yahoo.for_ever = server.nothing
    with pytest.raises(ls.InputError, match=r"SPY: Yahoo.* no"):
        load(start="2030-01-01", end="2030-02-01")
    assert len(yahoo.asked) <= 2


def test_an_unknown_ticker_is_told_apart_from_a_fault(yahoo, load):
    with pytest.raises(ls.InputError, match="NOPE: Yahoo knows no such ticker, or it is delisted"):
        load("NOPE")
    assert len(yahoo.asked) <= 2  # yfinance itself asks twice


def test_bars_that_are_no_prices_are_refused_with_the_ticker(yahoo, load):
    rows = days("2024-01-02", 30)
    rows.iloc[7, 3] = -5.0
    yahoo.symbols["SPY"] = Symbol(rows)
    with pytest.raises(ls.InputError, match=r"SPY row 8 \(2024-01-11 .*: close -5"):
        load()


def test_nothing_of_yfinances_is_shown_or_changed(yahoo, load, capfd):
    import yfinance

    yahoo.symbols["SPY"] = Symbol(days("2024-01-02", 30))
    hidden = yfinance.config.debug.hide_exceptions
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load()
    assert yfinance.config.debug.hide_exceptions == hidden
    assert capfd.readouterr() == ("", "")


NO_TICKERS = ["../../x", "/etc/passwd", "..", ".", "", " ", "a/b", "a\\b", "SPY\nX", "SPY?x=1", "日経225", "X" * 33,
              "--help", "%2e%2e", "SPY;ls", "~", "C:"]  # fmt: skip


@pytest.mark.parametrize("ticker", NO_TICKERS)
def test_what_is_no_ticker_never_becomes_an_address_or_a_path(yahoo, load, tmp_path, ticker):
    with pytest.raises(ls.InputError, match="is no ticker"):
        load(ticker)
    assert yahoo.asked == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ticker", ["BRK-B", "^GSPC", "EURUSD=X", "CON", "nul.de", "M&M.NS", "X" * 32, "ES=F"])
def test_each_ticker_has_a_folder_of_its_own(yahoo, load, tmp_path, ticker):
    yahoo.symbols[ticker.upper()] = Symbol(days("2024-01-02", 30))
    load(ticker)
    (folder,) = (tmp_path / "prices").glob("[!.]*")
    assert folder.name.upper() not in {"CON", "NUL.DE"}
    assert set(folder.name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    yahoo.symbols[folder.name.upper()] = Symbol(days("2024-01-02", 30, seed=2))
    if folder.name != ticker:
        load(folder.name)
        assert len(list((tmp_path / "prices").glob("[!.]*"))) == 2
