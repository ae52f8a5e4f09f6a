"""Timing with a clock that is set by hand."""

from signlib.evaluation.profiling import time_calls


class Clock:
    """Every call of the model moves it on by the next of `steps`."""

    def __init__(self, *steps):
        self.now, self.steps = 0.0, list(steps)

    def __call__(self):
        return self.now

    def work(self):
        self.now += self.steps.pop(0)


def test_the_first_call_does_not_count_and_the_least_disturbed_one_is_named():
    clock = Clock(9, 3, 1, 2, 5, 1.5)
    found = time_calls(clock.work, seconds=0, least=5, clock=clock)
    assert (found.best, found.median, found.calls) == (1, 2, 5)


def test_it_goes_on_until_the_time_is_over():
    clock = Clock(*[1.0] * 30)
    found = time_calls(clock.work, seconds=10, least=2, clock=clock)
    assert found.calls == 10
