"""``python -m edgexai`` is the ``edgexai`` command."""

import sys

from edgexai.cli import main

sys.exit(main())
