"""`python -m signlib`: see `cli`."""

import sys

from signlib.cli.verbs import main

if __name__ == "__main__":
    sys.exit(main())
