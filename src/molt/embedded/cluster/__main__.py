"""`python -m molt.embedded.cluster --admin-token-file FILE [--port N]`."""

from __future__ import annotations

import sys

from molt.embedded.cluster.process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout))
