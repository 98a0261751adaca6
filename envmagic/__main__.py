"""The terminal's door: `python -m envmagic`."""

import sys

from envmagic.face.cli import main

if __name__ == "__main__":
    sys.exit(main())
