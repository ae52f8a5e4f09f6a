"""`python -m signlib.course`: what `make course` and `make notebooks` call."""

import sys

from signlib.course.runner import main

sys.exit(main())
