"""`python -m admin` is `csms`."""

from gateway.service import interrupts

interrupts.end_silently()

from admin.cli.csms import main

main()
