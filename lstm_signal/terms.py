"""What each measure means, in a line: the report page shows it on demand."""

from __future__ import annotations

MEANS: dict[str, dict[str, str]] = {
    "forecasts": {
        "rmse": "Root of the mean squared error: how far forecasts miss, large misses weighing more.",
        "mae": "Mean absolute error: how far forecasts miss on average.",
        "r2": "One less the squared errors over those of the training rows' mean: above 0 is better than the mean.",
        "r2_naive": "One less the squared errors over those of forecasting no change.",
        "hit_rate": "Share of bars whose direction was right, of those on which both moved.",
        "correlation": "Pearson's, of forecasts and what came.",
        "rank_correlation": "Spearman's: the same of their ranks, so that a few wild bars do not decide.",
        "bias": "Mean of forecast less outcome: above 0 says too much on average.",
        "slope": "Slope of outcomes on forecasts: 1 is right, below 1 the forecasts are too large.",
        "coverage": "Share of outcomes inside the forecast's interval, which promises nine of ten by default.",
        "width": "Mean width of the forecast's interval.",
        "spread": "Deviation of the members' forecasts: networks that differ by seed alone.",
    },
    "tests": {
        "error_against_mean": "Is the squared error lower (below 0) or higher than the mean's? No answer to whether "
        "there is skill.",
        "error_against_naive": "Is the squared error lower (below 0) or higher than that of no change? No skill yet.",
        "skill": "Does the forecast know something of the return that the mean does not? One-sided.",
        "direction": "Are up and down told apart more often than by luck? One-sided.",
        "sign_trade": "Would trading by the forecast's sign have earned more than by luck, before costs? One-sided.",
    },
    "years": {"": "R2 against the mean of the year's bars alone."},
    "volatility": {
        "coverage": "Share of outcomes inside the interval, on a fifth of the bars by volatility.",
        "width": "Mean width of the interval on a fifth of the bars by volatility.",
    },
    "yesterday": {
        "lag": "The return the forecasts are most like: 0 is the one that follows, 1 the last one known.",
        "correlation": "Of the forecasts with that return.",
    },
    "trading": {
        "annual_return": "What equity grew by in a year, compounded, after costs.",
        "volatility": "Deviation of returns, a year.",
        "sharpe": "Mean return above cash over its deviation, a year.",
        "probabilistic_sharpe": "Chance that the true Sharpe ratio is above 0, given length, skew and fat tails.",
        "deflated_sharpe": "Chance that it is above the best that luck gives among all that was tried.",
        "track_record": "Years of such returns that would show a Sharpe ratio above 0 at 95 %.",
        "sortino": "Mean return above cash over the deviation of losses alone, a year.",
        "calmar": "Annual return over the largest drawdown.",
        "max_drawdown": "Largest loss from a highest point. Its range is of other orders of the same bars.",
        "drawdown_length": "Bars in a row below the highest point so far.",
        "skew": "Below 0: the large moves were losses.",
        "winners": "Share of closed trades that earned something after costs.",
        "payoff": "What a won trade earned over what a lost one cost, on average.",
        "exposure": "Average of position over equity, long or short.",
        "turnover": "What was traded in a year, in equities.",
        "trades": "Positions opened, the last one included.",
        "costs": "Commission, slippage and borrowing, of equity a year.",
        "break_even": "Cost of a trade, a side, at which nothing is earned above cash.",
    },
    "differences": {
        "sharpe": "The first's Sharpe ratio less the second's, both drawn from the same bars.",
        "annual_return": "The first's mean return less the second's, a year.",
    },
    "money": {
        "timing": "What being in at some bars and out at others added.",
        "exposure": "Average exposure times what the asset made: the buy & hold in it.",
        "interest": "What cash earned.",
        "trading_costs": "What fills cost.",
        "borrow": "What being short cost.",
        "total": "The parts above, which add up exactly.",
        "right": "Bars whose forecast had the right sign.",
        "right_and_lost": "... on which the position taken after it, and the fill, cost money.",
        "lost_to_costs": "... and would not have without the fill's cost.",
    },
    "at_costs": {
        "sharpe": "The same exposures, had trading cost this much a side.",
        "annual_return": "The same exposures, had trading cost this much a side.",
    },
    "delays": {"sharpe": "Each forecast heeded this many bars later than it was."},
    "members": {
        "members": "Networks that differ by seed alone.",
        "sharpe": "Of a run on one member's forecasts alone.",
        "beat_buy_and_hold": "Members whose run alone ended above buy & hold.",
    },
    "flips": {
        "r2": "Pairs, one member of each model, that alone would have said the other order of the two.",
        "sharpe": "Pairs, one member of each model, that alone would have said the other order of the two.",
    },
}


def means(section: str, key: str) -> str:
    """Return what a measure of a section means; of "coverage_calmest" and its like what its first word does."""
    terms = MEANS[section]
    return terms.get(key) or terms.get(key.split("_")[0]) or terms.get(key.rsplit("_", 2)[0]) or terms[""]
