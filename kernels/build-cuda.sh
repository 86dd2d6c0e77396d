#!/usr/bin/env bash
# Compiles src/main/cuda/*.cu: one fatbin a file into target/classes/cuda (shipped in the jar), one PTX a file into
# target/cuda-ptx (what KernelSpecTest reads). Maven calls it in process-resources; by hand: kernels/build-cuda.sh [auto|require|off]
#
#   auto     use the nvcc that is there; without one say so in a line and leave device code out
#   require  fetch the compiler's PyPI wheels if there is none (about 150 MB, into target/cuda-toolkit); fail without one
#   off      leave device code out
#
# nvcc is looked for in $NVCC, $CUDA_HOME, PATH, target/cuda-toolkit. NAME_sm90.cu holds instructions of sm_90a only (wgmma);
# every other file is compiled for all targets, with PTX of the highest one for cards that come later.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mode=${1:-auto}
src=src/main/cuda out=target/classes/cuda ptx=target/cuda-ptx stamps=target/cuda-stamps toolkit=target/cuda-toolkit

# Seen working together; an nvvm that pip chooses by itself breaks ptxas.
wheels=(nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88
  nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85)
plainTargets=(80 86 89 90 100)

say() { echo "device code: $*"; }
skip() {
  if [ "$mode" = require ]; then
    say "$* (-Dsailfish.cuda=require)" >&2
    exit 1
  fi
  rm -rf "$out" "$ptx" "$stamps"
  say "left out: $*"
  exit 0
}

find_nvcc() {
  local candidate
  for candidate in "${NVCC:-}" "${CUDA_HOME:+$CUDA_HOME/bin/nvcc}" "$(type -P nvcc || true)" \
    "$toolkit"/nvidia/cu*/bin/nvcc; do
    if [ -n "$candidate" ] && [ -x "$candidate" ]; then
      (cd "$(dirname "$candidate")" && echo "$PWD/$(basename "$candidate")")
      return
    fi
  done
}

fetch_toolkit() {
  say "no nvcc here, fetching its wheels into kernels/$toolkit"
  rm -rf "$toolkit"
  python3 -m pip install --quiet --no-deps --only-binary=:all: --target "$toolkit" "${wheels[@]}"
}

# The file and everything it includes by "...", so that an unchanged kernel is not compiled again.
sources_of() {
  local file=$1 dir name
  [[ " $seen " == *" $file "* ]] && return
  seen="$seen $file"
  echo "$file"
  dir=$(dirname "$file")
  while read -r name; do
    if [ -f "$dir/$name" ]; then
      sources_of "$(realpath --relative-to=. "$dir/$name")"
    elif [ -f "$src/$name" ]; then
      sources_of "$src/$name"
    fi
  done < <(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"([^"]+)".*/\1/p' "$file")
}

targets_of() { # gencode flags for one file
  local arch highest=
  if [[ $1 == *_sm90.cu ]]; then
    echo "-gencode arch=compute_90a,code=sm_90a"
    return
  fi
  for arch in "${plainTargets[@]}"; do
    [[ " $known " == *" compute_$arch "* ]] || continue
    highest=$arch
    [ "$arch" = 90 ] && arch=90a
    echo "-gencode arch=compute_$arch,code=sm_$arch"
  done
  echo "-gencode arch=compute_$highest,code=compute_$highest"
}

compile() { # name stamp: writes to temporary names first, so that a broken run leaves nothing half done
  local name=$1 stamp=$2 file=$src/$1.cu arch=90
  [[ $name == *_sm90 ]] && arch=90a
  # shellcheck disable=SC2046
  "$nvcc" "${flags[@]}" -fatbin $(targets_of "$file") -o "$out/$name.fatbin.part" "$file"
  "$nvcc" "${flags[@]}" -ptx -arch="compute_$arch" -o "$ptx/$name.ptx.part" "$file"
  mv "$out/$name.fatbin.part" "$out/$name.fatbin"
  mv "$ptx/$name.ptx.part" "$ptx/$name.ptx"
  echo "$stamp" >"$stamps/$name"
}

case $mode in
  auto | require) ;;
  off) skip "-Dsailfish.cuda=off" ;;
  *)
    echo "sailfish.cuda=$mode: expected auto, require or off" >&2
    exit 2
    ;;
esac

nvcc=$(find_nvcc)
if [ -z "$nvcc" ] && [ "$mode" = require ]; then
  fetch_toolkit || skip "the compiler's wheels could not be fetched; set NVCC or CUDA_HOME"
  nvcc=$(find_nvcc)
fi
[ -n "$nvcc" ] || skip "no nvcc in \$NVCC, \$CUDA_HOME or PATH; queries run on the CPU (-Dsailfish.cuda=require fetches it)"

shopt -s nullglob
files=("$src"/*.cu)
mkdir -p "$out" "$ptx" "$stamps"
flags=(-O3 -std=c++17 -I "$src" -I "$(dirname "$nvcc")/../include" --Werror cross-execution-space-call)
version=$("$nvcc" --version | tail -n 2 | tr '\n' ' ')
known=$("$nvcc" --list-gpu-arch | tr '\n' ' ')

if [ ! -e "$stamps/.works" ] || [ "$(cat "$stamps/.works")" != "$version" ]; then
  echo '__global__ void probe() {}' >"$stamps/probe.cu"
  if ! why=$("$nvcc" -ptx -o /dev/null "$stamps/probe.cu" 2>&1); then
    skip "$nvcc does not work: $(echo "$why" | head -n 1)"
  fi
  echo "$version" >"$stamps/.works"
fi

pids=() compiled=0
for file in "${files[@]}"; do
  name=$(basename "$file" .cu)
  seen=
  # shellcheck disable=SC2046
  stamp=$({ echo "$version ${flags[*]} $(targets_of "$file")"; cat $(sources_of "$file"); } | sha256sum | cut -d' ' -f1)
  if [ -e "$out/$name.fatbin" ] && [ -e "$ptx/$name.ptx" ] && [ "$(cat "$stamps/$name" 2>/dev/null)" = "$stamp" ]; then
    continue
  fi
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
  compile "$name" "$stamp" &
  pids+=($!)
  compiled=$((compiled + 1))
done
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
[ $failed = 0 ] || { say "nvcc failed, see above" >&2; exit 1; }

for built in "$out"/*.fatbin "$ptx"/*.ptx; do # what has lost its source
  name=$(basename "${built%.*}")
  [ -e "$src/$name.cu" ] || rm -f "$built" "$stamps/$name"
done
if [ $compiled -gt 0 ]; then
  say "compiled $compiled of ${#files[@]} files with $nvcc"
fi
