"""`python -m admin` is `csms`."""

from admin.cli import main

main()
