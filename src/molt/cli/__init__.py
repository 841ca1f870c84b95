"""The `molt` command.

Exit codes: 0 done; 1 done, and the answer is no (a policy is wrong, an alert was dead-lettered, the demo failed);
2 the command or its input is wrong; 3 what it needs cannot be had (no runtime, no cluster, no such pod, a port that is
taken); 130 interrupted before it was done.
"""

from __future__ import annotations

import logging
import os
import sys

from molt.cli.app import build
from molt.cli.output import EXIT_ABSENT, complain
from molt.outcome import MoltError


def main() -> None:
    """Run the command; an error of ours is one line on standard error and exit code 3."""
    logging.basicConfig(level=logging.ERROR)  # what a library warns of while a broker restarts is no news
    try:
        build()(prog_name="molt", obj=dict(os.environ))
    except MoltError as error:
        complain(error.reason)
        sys.exit(EXIT_ABSENT)
