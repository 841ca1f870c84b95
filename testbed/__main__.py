"""`python -m testbed`: build the control plane of the tests, then prove it by starting it."""

from __future__ import annotations

import os
import sys

from testbed.command import main

raise SystemExit(main(sys.argv[1:], os.environ, sys.stderr))
