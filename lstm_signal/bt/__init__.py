"""The plug: forecasts as backtrader indicators, strategies, broker and analyzers, in backtrader's own words."""
