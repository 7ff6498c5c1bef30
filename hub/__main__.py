"""``python -m boathouse.hub`` is the command ``boathouse``."""

import sys

from .cli import main

sys.exit(main())
