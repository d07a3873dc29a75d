"""`csms profiles` lists, adds and removes the servers that commands over the admin API can use."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from admin.cli.api import profiles
from admin.cli.api.options import Form
from admin.cli.api.output import print_rows, write_line
from admin.cli.api.profiles import Profile
from admin.cli.failures import CommandRefused, report_failures

app = App(
    name="profiles",
    help="""List, add and remove servers for the commands that use the admin API.

The file is `~/.config/csms/profiles.toml`, or the one in the variable CSMS_PROFILES_FILE. It has mode
0600, and names the files with the API keys.
""",
)


@app.command(name="list")
def list_(
    *,
    output: Annotated[
        Form,
        Parameter(
            name=["--output", "-o"],
            help="`table` is for people. `json` prints one JSON object on each line.",
        ),
    ] = "table",
) -> None:
    """List the profiles."""
    with report_failures("csms profiles list"):
        found = profiles.read(os.environ)
        if not found.profiles and output == "table":
            raise CommandRefused(f"{profiles.path(os.environ)} has no profiles; csms profiles add makes one")
        print_rows(
            output,
            (
                {
                    "name": name,
                    "default": name == found.default,
                    **{field: getattr(profile, field) for field in profile.__struct_fields__},
                }
                for name, profile in sorted(found.profiles.items())
            ),
        )


@app.command
def add(
    name: str,
    *,
    url: Annotated[str, Parameter(required=True)],
    api_key_file: Annotated[Path, Parameter(required=True)],
    tenant: str | None = None,
    ca_file: Path | None = None,
    default: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Add a profile, or replace it. The first profile becomes the default one.

    Parameters
    ----------
    name
        The name of the profile, for --profile.
    url
        The address of the admin API, such as `https://csms.example.com`.
    api_key_file
        The file that holds the API key. The key itself is not copied.
    tenant
        The tenant that commands use if they do not name another one.
    ca_file
        A PEM file with the authority of the server's certificate, if the system does not trust it.
    default
        Use this profile if a command names no server.
    """
    with report_failures("csms profiles add"):
        found = profiles.read(os.environ)
        profile = Profile(
            url=profiles.check_url(url, url),
            api_key_file=str(api_key_file.absolute()),
            tenant=tenant,
            ca_file=None if ca_file is None else str(ca_file.absolute()),
        )
        for file in (api_key_file, ca_file):
            if file is not None and not file.is_file():
                raise CommandRefused(f"there is no file {file}; name a file that exists")
        first = name if default or not found.profiles else found.default
        profiles.write(
            os.environ, profiles.Profiles(default=first, profiles={**found.profiles, name: profile})
        )
        write_line(f"wrote the profile {name} to {profiles.path(os.environ)}")


@app.command
def remove(name: str) -> None:
    """Remove a profile. The file with its API key stays."""
    with report_failures("csms profiles remove"):
        found = profiles.read(os.environ)
        if name not in found.profiles:
            raise CommandRefused(f"there is no profile {name}; csms profiles list shows the names")
        left = {other: profile for other, profile in found.profiles.items() if other != name}
        first = None if found.default == name else found.default
        profiles.write(os.environ, profiles.Profiles(default=first, profiles=left))
        write_line(f"removed the profile {name}")
