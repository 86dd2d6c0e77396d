#!/usr/bin/env bash
# Decoding and prefill of one GGUF against llama.cpp on this host, interleaved.
#   benchmarks/compare_llama_cpp.sh MODEL.gguf [PYTHON] [RESULTS_FOLDER]
# PYTHON has llama-cpp-python built for this host: CMAKE_ARGS=-DGGML_NATIVE=ON pip install --no-binary :all: llama-cpp-python
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
model=$(realpath "$1")
python=${2:-python3}
results=${3:-$root/benchmarks/results}
commit=$(git -C "$root" rev-parse --short HEAD)
machine="$(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)"
exec "$root/benchmarks/run.sh" LlamaCppBench "$model" "$python" "$root/benchmarks/peer_llama_cpp.py" "$results" "$commit" "$machine"
