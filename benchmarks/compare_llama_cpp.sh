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
cd "$root"
mvn -B -q -pl benchmarks -am package -DskipTests
classpath=$(mktemp)
trap 'rm -f "$classpath"' EXIT
mvn -B -q -pl benchmarks -am dependency:build-classpath -Dmdep.outputFile="$classpath" -Dmdep.includeScope=runtime >&2
java=(java --add-modules=jdk.incubator.vector)
jars=(-cp "benchmarks/target/classes:kernels/target/classes:arrow-bridge/target/classes:llama-runtime/target/classes:$(cat "$classpath")")
"${java[@]}" -Xmx2g "${jars[@]}" io.sailfish.bench.LlamaCppBench "$model" "$python" benchmarks/peer_llama_cpp.py "$results" "$commit" "$machine"
