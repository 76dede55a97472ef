"""`python -m heatpool` is the command `heatpool`."""

import sys

from heatpool.pipelines.cli import main

sys.exit(main())
