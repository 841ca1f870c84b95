"""`python -m molt.embedded.broker --manifests DIR --state FILE --services URL [--port N] [--clock]`."""

from __future__ import annotations

import sys

from molt.embedded.broker.process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout, sys.stderr))
