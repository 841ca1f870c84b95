"""`python -m molt.forwarder`: settings are in the environment, see molt.forwarder.settings."""

from __future__ import annotations

import os
import sys

from molt.forwarder.process import main

if __name__ == "__main__":
    sys.exit(main(os.environ))
