"""The walk's folds: what holds for every option, and the numbers at the defaults."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_signal.errors import InputError
from lstm_signal.schedule import Fold, WalkForward

every_option = given(
    schedule=st.builds(WalkForward, train=st.integers(2, 40), test=st.integers(1, 30), anchored=st.booleans()),
    warm_up=st.integers(1, 30),
    lag=st.integers(1, 6),
    extra=st.integers(0, 120),  # bars beyond the fewest that do
)
thoroughly = settings(deadline=None, derandomize=True, max_examples=200)


@thoroughly
@every_option
def test_the_last_training_target_is_known_by_the_first_test_bar(schedule, warm_up, lag, extra):
    for fold in schedule.folds(schedule.bars_needed(warm_up, lag) + extra, warm_up, lag):
        assert fold.last + lag == fold.test_start  # no later, and none is wasted


@thoroughly
@every_option
def test_every_fold_trains_on_full_windows_of_as_many_stamps_as_asked(schedule, warm_up, lag, extra):
    folds = schedule.folds(schedule.bars_needed(warm_up, lag) + extra, warm_up, lag)
    assert folds[0].first == warm_up  # the first bar whose window is full
    for fold in folds:
        assert fold.first == (warm_up if schedule.anchored else fold.last - schedule.train + 1)
        assert fold.last - fold.first + 1 == schedule.train + (fold.number * schedule.test if schedule.anchored else 0)


@thoroughly
@every_option
def test_the_folds_tile_the_test_bars_to_the_end(schedule, warm_up, lag, extra):
    bars = schedule.bars_needed(warm_up, lag) + extra
    folds = schedule.folds(bars, warm_up, lag)
    tested = [bar for fold in folds for bar in range(fold.test_start, fold.test_stop)]
    assert tested == list(range(folds[0].test_start, bars))
    assert [fold.number for fold in folds] == list(range(len(folds)))
    sizes = [fold.test_stop - fold.test_start for fold in folds]
    assert sizes[:-1] == [schedule.test] * (len(folds) - 1)
    assert 1 <= sizes[-1] <= schedule.test


@thoroughly
@every_option
def test_the_fewest_bars_hold_one_whole_fold_and_its_outcomes(schedule, warm_up, lag, extra):
    needed = schedule.bars_needed(warm_up, lag)
    first = schedule.folds(needed, warm_up, lag)[0]
    assert first.test_stop - first.test_start == schedule.test
    assert first.test_stop - 1 + lag == needed - 1  # the last outcome is known at the last bar
    with pytest.raises(InputError, match=rf"^{needed - 1} bars cannot hold one fold.* needs {needed}\. "):
        schedule.folds(needed - 1, warm_up, lag)


@thoroughly
@every_option
def test_a_longer_history_adds_folds_and_changes_none(schedule, warm_up, lag, extra):
    needed = schedule.bars_needed(warm_up, lag)
    before, after = schedule.folds(needed, warm_up, lag), schedule.folds(needed + extra, warm_up, lag)
    assert before[:-1] == after[: len(before) - 1]
    assert before[-1]._replace(test_stop=0) == after[len(before) - 1]._replace(test_stop=0)


def test_the_defaults():
    folds = WalkForward().folds(bars=5031, warm_up=20, lag=2)
    assert len(folds) == 17
    assert folds[0] == Fold(number=0, first=20, last=1019, test_start=1021, test_stop=1271)
    assert folds[-1] == Fold(number=16, first=4020, last=5019, test_start=5021, test_stop=5031)
    assert WalkForward().bars_needed(warm_up=20, lag=2) == 1273


def test_anchored_folds_all_start_at_the_first_full_window():
    folds = WalkForward(train=100, test=50, anchored=True).folds(bars=250, warm_up=20, lag=2)
    assert [(fold.first, fold.last) for fold in folds] == [(20, 119), (20, 169), (20, 219)]


def test_the_refusal_says_what_adds_up():
    with pytest.raises(InputError) as refusal:
        WalkForward().folds(bars=700, warm_up=20, lag=2)
    assert str(refusal.value) == (
        "700 bars cannot hold one fold: warm-up 20 + train 1000 + test 250 + 2 x lag 2 - 1 needs 1273. "
        "Load an earlier start, or shrink train or test."
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"train": 1}, "train=1 must be a whole number of bars, 2 or more"),
        ({"train": 100.0}, "train=100.0 must be"),
        ({"train": "100"}, "train='100' must be"),
        ({"test": 0}, "test=0 must be a whole number of bars, 1 or more"),
        ({"test": True}, "test=True must be"),
        ({"anchored": "no"}, "anchored='no' must be"),
        ({"trian": 100}, "no field 'trian'. Did you mean \"train\""),
        ({"anchor": True}, 'Did you mean "anchored"'),
    ],
)
def test_bad_values_and_unknown_fields_are_refused(fields, words):
    with pytest.raises(InputError, match=words):
        WalkForward(**fields)


def test_a_schedule_is_a_value():
    schedule = WalkForward(train=100, test=50, anchored=True)
    assert schedule == WalkForward(train=100, test=50, anchored=True) != WalkForward(train=100, test=50)
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert schedule.describe() == {"train": 100, "test": 50, "anchored": True}
    assert len({schedule, WalkForward(train=100, test=50, anchored=True)}) == 1
    with pytest.raises(AttributeError):
        schedule.train = 5
