"""The process of one trial; it ends, resumable, with the process that started it.

Its argument is the trial as JSON.  Standard input is a pipe from the process that started it: when
that one is gone, however it went, the pipe is at its end.  Exit status: 0 done, 2 bad input (the
last line on standard error says what), 130 stopped.
"""

import json
import os
import signal
import sys
import threading
import time

from bnproof.sweep.process import BAD, GRACE, STOPPED
from bnproof.theory.common.errors import UserError


def main(order: str) -> int:
    """Carry out one trial; returns the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.Thread(target=_end_with_the_driver, daemon=True).start()
    try:
        from bnproof.sweep.trials import task

        task(**json.loads(order)).carry_out()
    except (UserError, OSError) as error:  # a full disk, say: no fault of the program
        print(" ".join(str(error).split()), file=sys.stderr)
        return BAD
    except KeyboardInterrupt:
        return STOPPED
    return 0


def _end_with_the_driver() -> None:
    """Ask for a checkpoint when the pipe ends, and do not wait for it for ever."""
    while os.read(0, 1):  # not sys.stdin: its lock would be held when the interpreter ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(STOPPED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
