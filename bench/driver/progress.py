"""One line with the time left, rewritten for who watches a terminal, and one a minute for who reads a log."""

import statistics
import sys
import time

SECONDS_A_LOG_LINE = 60


class Progress:
    """Knows every step beforehand. How long one takes is taken from its last run, and before its first from the mean of
    those that ran: curves end in points that take a hundred times as long as the first."""

    def __init__(self, steps, stream=sys.stderr, clock=time.monotonic):
        self._left = list(steps)
        self._total = len(self._left)
        self._seconds = {}
        self._stream, self._clock = stream, clock
        self._started = None
        self._said = clock()

    def begin(self, what):
        """`what` is the next of the steps."""
        assert self._left and self._left[0] == what, f"{what} is not the next step"
        self._started = self._clock()
        line = f"{self._total - len(self._left)}/{self._total}, {self.seconds_left():.0f} s left: {' '.join(map(str, what))}"
        if self._stream.isatty():
            self._stream.write(f"\r\033[K{line}")
        elif self._started - self._said >= SECONDS_A_LOG_LINE:
            self._said = self._started
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def end(self):
        """The seconds it took."""
        took = self._clock() - self._started
        self._seconds[self._left.pop(0)] = took
        return took

    def seconds_left(self):
        return self.seconds_of(self._left)

    def seconds_of(self, steps):
        """An estimate; 0 before anything ran."""
        if not self._seconds:
            return 0
        otherwise = statistics.mean(self._seconds.values())
        return sum(self._seconds.get(step, otherwise) for step in steps)

    def leave_out(self):
        """What is left will not be done."""
        self._total -= len(self._left)
        self._left = []

    def close(self):
        if self._stream.isatty():
            self._stream.write("\r\033[K")
