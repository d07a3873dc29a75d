"""`python -m admin` runs the command `csms`."""

from gateway.service import interrupts

interrupts.end_silently()

import sys

if sys.argv[1:2] == ["health"]:
    # A health check runs every few seconds, and the imports of the other commands take half a second.
    from admin.cli.health import main
else:
    from admin.cli.csms import main

main()
