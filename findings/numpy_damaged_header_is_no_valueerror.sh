#!/usr/bin/env bash
# numpy 2.4.6: the head of an .npy file is Python text, and what is damaged in it is not always the ValueError that np.load
# documents: brackets that do not close raise tokenize.TokenError, a type such as '04' SyntaxError. Programs that catch
# ValueError end with a traceback.
# Damages two heads, prints what np.load raises, and fails if both are a ValueError now.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import io
import sys

import numpy as np

raised = []
for good, bad in ((b"(4, 6), }", b"(4, 6), ("), (b"'<f4'", b"'04,'")):
    file = io.BytesIO()
    np.save(file, np.zeros((4, 6), np.float32))
    try:
        np.load(io.BytesIO(file.getvalue().replace(good, bad)), allow_pickle=False)
    except Exception as error:
        print(f"{bad.decode()!r}: {type(error).__name__}: {error}")
        raised.append(error)
sys.exit(all(isinstance(error, ValueError) for error in raised))
PY
