"""The targets that make the container image, on a machine without their tools."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ([".ci/image"], "buildah"),
        ([".ci/image-base"], "debootstrap buildah"),
        ([sys.executable, "-m", "tests.k8s.image_check"], "podman runc conmon"),
    ],
    ids=["image", "image-base", "image-check"],
)
def test_a_target_for_the_image_says_which_packages_to_install_and_fails_where_they_are_missing(
    command: list[str], missing: str, tmp_path: Path
) -> None:
    for tool in ("bash", "dirname"):
        (tmp_path / tool).symlink_to(which(tool) or "")
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"needs {missing}. Install it (on Debian, as root: apt-get install {missing})" in done.stderr
    assert len(done.stderr.splitlines()) == 1
