import signal
from signal import Signals

from loadtest.run.signals import ending_signals


def test_the_end_of_a_terminal_ends_a_run_with_a_report_but_not_under_nohup() -> None:
    before = signal.getsignal(Signals.SIGHUP)
    try:
        signal.signal(Signals.SIGHUP, signal.SIG_IGN)
        assert set(ending_signals()) == {Signals.SIGINT, Signals.SIGTERM}
        signal.signal(Signals.SIGHUP, signal.SIG_DFL)
        assert set(ending_signals()) == {Signals.SIGINT, Signals.SIGTERM, Signals.SIGHUP}
    finally:
        signal.signal(Signals.SIGHUP, before)
