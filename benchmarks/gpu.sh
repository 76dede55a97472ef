#!/usr/bin/env bash
# Measures all that is to be measured on a GPU within ten minutes, from a bare machine with a CUDA torch.
#
#   benchmarks/gpu.sh --pack FOLDER [VIDEOS [PACKAGE==VERSION ...]]   here: what to carry there, below 60 MB
#   benchmarks/gpu.sh [--out gpu.md] [--videos FOLDER] [--dry-run] …  there; see python -m benchmarks.gpu --help
#
# A pack holds the tree, some real clips and the wheels of packages that are missing there. It is used so:
#   tar xf heatpool-gpu.tar && cd heatpool && benchmarks/gpu.sh --videos clips --out gpu.md
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
python=${PYTHON:-python3}

pack() {
  local folder=$1 videos=${2:-../shared/videos} root
  shift $(($# < 2 ? $# : 2))
  root=$folder/heatpool
  mkdir -p "$root/clips/ntu" "$root/clips/fight/fight" "$root/wheels"
  git ls-files -z --cached --others --exclude-standard | xargs -0 tar cf - | tar xf - -C "$root"
  cp "$videos"/ntu/S001C001P001R001A001_rgb.avi "$root/clips/ntu/"
  cp $(ls "$videos"/fight/fight/*.mp4 | head -7) "$root/clips/fight/fight/"
  if (($#)); then
    "$python" -m pip download --quiet --no-deps --only-binary=:all: --dest "$root/wheels" ${PIP_TARGET_OPTIONS:-} "$@"
  fi
  chmod -R u+w "$root"
  tar cf "$folder/heatpool-gpu.tar" -C "$folder" heatpool
  rm -rf "$root"
  local bytes
  bytes=$(wc -c <"$folder/heatpool-gpu.tar")
  echo "$folder/heatpool-gpu.tar: $((bytes / 1000000)) MB"
  ((bytes < 60000000)) || { echo "expected less than 60 MB: leave packages out" >&2; exit 1; }
}

if [[ ${1:-} == --pack ]]; then
  shift
  pack "$@"
  exit
fi

# A bare machine has no install of ours: the folders lie at the top, their import names are heatpool.pool and so on.
for each in pool extract classify pipelines; do
  [[ -e heatpool/$each ]] || ln -s "../$each" "heatpool/$each"
done
if compgen -G "wheels/*.whl" >/dev/null; then
  "$python" -m pip install --quiet --no-index --no-deps --target .wheels-installed --upgrade wheels/*.whl
fi
export PYTHONPATH=$here:$here/.wheels-installed${PYTHONPATH:+:$PYTHONPATH}
exec "$python" -m benchmarks.gpu "$@"
