"""Processes that are killed in the middle of their work, for tests of what is left behind."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import ModuleType


def in_child(work: Callable[[], object]) -> int:
    """How a forked process ended that ran `work`: minus the signal that killed it, or 0."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at_line(number: int, work: Callable[[], object], *modules: ModuleType) -> bool:
    """`work`, killed with SIGKILL before the numbered line of the modules; True when it came so
    far.
    """
    ours, lines = {module.__file__ for module in modules}, 0

    def trace(frame, event, _):
        nonlocal lines
        if frame.f_code.co_filename not in ours:
            return None
        if event == "line":
            lines += 1
            if lines == number:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    def traced():
        sys.settrace(trace)
        work()

    ended = in_child(traced)
    assert ended in (0, -signal.SIGKILL)
    return ended != 0
