"""`python -m engine` is the command `chainrule`."""

import sys

from .command.main import main

if __name__ == "__main__":
    sys.exit(main())
