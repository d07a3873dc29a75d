"""`python -m admin` runs the command `csms`."""

from gateway.service import interrupts

interrupts.end_silently()

from admin.cli.csms import main

main()
