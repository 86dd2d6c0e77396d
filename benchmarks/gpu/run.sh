#!/usr/bin/env bash
# Checks and times the kernels on this machine's card; beside it lies what benchmarks/gpu/pack.sh gathered.
# Usage: run.sh RESULTS [check OPTIONS... | ops OPTIONS... | bench OPTIONS... | step OPTIONS... | engine OPTIONS... | same OPTIONS... | soak OPTIONS... | program NAME OPTIONS... | tests | sanitize | sanitize-step | all]     (all = check, then cuBLAS and the benchmark)
# java is $JAVA, the unpacked jre17.tar.xz beside this script, or the one in PATH.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
results=$(realpath -m "$1")
what=${2:-all}
shift $(($# > 1 ? 2 : 1))
mkdir -p "$results"
jre=/tmp/sailfish-jre
if [ -z "${JAVA:-}" ] && [ -e "$here/jre17.tar.xz" ]; then
  [ -d $jre ] || { mkdir $jre && tar -xJf "$here/jre17.tar.xz" -C $jre; }
  JAVA=$(echo $jre/*/bin/java)
fi
# shellcheck disable=SC2207
java=("${JAVA:-java}" $(cat "$here/tests/jvm-options") -Xmx24g -cp "$here/lib/*")
commit=$(cat "$here/commit")
program() { "${java[@]}" "io.sailfish.bench.gpu.$1" --commit "$commit" --results "$results" "${@:2}"; }
check() { program GpuCheck "$@"; }
bench() { program KernelBench "$@"; }
case $what in
  check) check "$@" ;;
  bench) bench "$@" ;;
  ops) "${java[@]}" io.sailfish.bench.gpu.GpuOpsCheck "$@" ;;
  step) program GpuStepBench "$@" ;;
  engine) program GpuEngineBench "$@" ;;
  same) program GpuDeterminismBench "$@" ;;
  soak) program GpuSoakBench "$@" ;;
  program) program "$@" ;; # any other of io.sailfish.bench.gpu, such as GpuSpeculationBench
  tests) # those tagged gpu; of Spark only where $SPARK_JARS is a folder with Spark's jars
    export SPARK_HOME=/tmp/sailfish-spark-home SPARK_SCALA_VERSION=2.13 SPARK_LOCAL_IP=127.0.0.1
    mkdir -p "$SPARK_HOME" && cd "$here/tree/spark-plugin"
    classpath=$(printf '%s:' "$here"/tests/*/ "$here"/tree/*/src/test/resources "$here"/tests/*.jar "$here"/lib/*.jar ${SPARK_JARS:+"$SPARK_JARS"/*.jar})
    # shellcheck disable=SC2046
    "${JAVA:-java}" $(cat "$here/tests/jvm-options") -Xmx8g -Darrow.memory.debug.allocator=true -cp "$classpath" org.junit.platform.console.ConsoleLauncher \
      execute --disable-banner --include-tag gpu --details=tree --fail-if-no-tests -p io.sailfish.kernels -p io.sailfish.llama \
      -c io.sailfish.bench.gpu.GpuOpsCheckTest -c io.sailfish.bench.gpu.StepBitsTest ${SPARK_JARS:+-c io.sailfish.spark.CardTest} | tee "$results/tests.txt"
    ;;
  sanitize) # a reduced list, an order of magnitude slower
    status=0
    for tool in memcheck racecheck initcheck synccheck; do
      echo "== $tool"
      compute-sanitizer --tool $tool --error-exitcode 9 --target-processes all \
        "${java[@]}" io.sailfish.bench.gpu.GpuCheck --quick --max-rows 33 --repeats 2 "$@" || status=$?
    done
    exit $status
    ;;
  sanitize-step) # whole steps of a tiny model: prompts, recorded decode steps of every size, rows put back and computed again
    status=0
    for tool in memcheck racecheck initcheck synccheck; do
      echo "== $tool"
      compute-sanitizer --tool $tool --error-exitcode 9 --target-processes all \
        "${java[@]}" io.sailfish.bench.gpu.GpuSoakBench --tiny --requests 400 --kv 6000 --seconds 600 "$@" || status=$?
    done
    exit $status
    ;;
  all)
    status=0
    check "$@" || status=$?
    python3 "$here/cublas.py" "$results/cublas.json" && bench --cublas "$results/cublas.json" || status=$?
    exit $status
    ;;
  *)
    echo "expected check, ops, bench, step, engine, same, soak, program, tests, sanitize, sanitize-step or all, got $what" >&2
    exit 2
    ;;
esac
