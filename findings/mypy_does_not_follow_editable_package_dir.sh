#!/usr/bin/env bash
# setuptools 83.0.0 and mypy 2.4.1: a project whose setup.cfg maps import names to other folders (package_dir: house.kitchen
# = kitchen) installs editably by a finder of setuptools, which Python asks at run time. mypy knows no such finders: the package
# runs and does not exist for mypy, although it is installed. Folders whose names are those of the packages are found.
# Seen on Linux with Python 3.11; heatpool lays links for mypy and editors (docs/adr/0008-import-names.md).
# Prints what Python and mypy say, and fails if mypy finds the package.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check setuptools==83.0.0 mypy==2.4.1
mkdir -p "$work/project/house" "$work/project/kitchen" "$work/elsewhere"
cd "$work/project"
touch house/__init__.py house/py.typed
echo 'KNIVES: int = 4' >kitchen/__init__.py
cat >setup.cfg <<'CFG'
[metadata]
name = house
version = 1
[options]
package_dir =
    house = house
    house.kitchen = kitchen
packages =
    house
    house.kitchen
[options.package_data]
house = py.typed
CFG
echo 'from setuptools import setup; setup()' >setup.py
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable .
cd "$work/elsewhere"
echo 'from house.kitchen import KNIVES; print("Python finds", KNIVES)' >use.py
"$work/venv/bin/python" use.py
if "$work/venv/bin/mypy" use.py >said.txt; then
  echo "mypy finds the package: this has changed"
  exit 1
fi
echo "mypy 2.4.1: $(head -1 said.txt)"
grep -q 'import-not-found\|import-untyped' said.txt
