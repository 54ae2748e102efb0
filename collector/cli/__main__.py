"""`python -m collector.cli`: the same as `pentrap`."""

import sys

from collector.cli import main

sys.exit(main())
