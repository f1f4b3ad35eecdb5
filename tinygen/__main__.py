"""`python -m tinygen` is the command line."""

import sys

from tinygen.cli import main

sys.exit(main())
