"""`python -m admin` is `csms`."""

from admin.cli.csms import main

main()
