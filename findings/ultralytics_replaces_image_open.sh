#!/usr/bin/env bash
# ultralytics 8.4.190, Pillow 12.2.0: `import ultralytics` puts a function of its own in the place of PIL.Image.open, for the whole
# process. For a file that is no picture Pillow raises UnidentifiedImageError, an OSError that programs catch; after the import
# the same call asks for the package pi-heif (with pip, unless YOLO_OFFLINE is set) and raises ModuleNotFoundError. Names
# bound before the import, and Pillow's own classes such as JpegImagePlugin.JpegImageFile, are as they were: heatpool reads
# folders of frames by these (extract/video/pictures.py).
# Prints what a text file called .jpg raises before and after, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  ultralytics==8.4.190 pillow==12.2.0 torch==2.13.0 numpy==2.4.6
echo "no picture" > "$work/text.jpg"
YOLO_OFFLINE=True YOLO_CONFIG_DIR="$work" "$work/venv/bin/python" - "$work/text.jpg" <<'PY'
import sys

import PIL
from PIL import Image


def raised() -> str:
    try:
        Image.open(sys.argv[1])
    except Exception as error:
        return type(error).__name__
    return "nothing"


before = raised()
import ultralytics

after = raised()
print(f"Pillow {PIL.__version__}: {before}; after import ultralytics {ultralytics.__version__}: {after}")
assert (before, after) == ("UnidentifiedImageError", "ModuleNotFoundError")
PY
