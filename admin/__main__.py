"""`python -m admin` is the command `csms`."""

from gateway.service import interrupts

interrupts.end_silently()

from admin.cli.csms import main

main()
