"""The terminal's door: `python -m envmagic`."""

import sys

from envmagic.cli import main

if __name__ == "__main__":
    sys.exit(main())
