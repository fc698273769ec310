"""``python -m edgexai`` is the ``edgexai`` command."""

import sys

from edgexai.cli import main

if __name__ == "__main__":  # a process that decodes for the fleet's page imports this file again
    sys.exit(main())
