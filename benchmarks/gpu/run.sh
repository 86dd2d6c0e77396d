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
sanitizer() { # tool program options...: sets $status if anything is found
  echo "== $1: ${*:2}"
  # shellcheck disable=SC2086
  compute-sanitizer --tool $1 --error-exitcode 9 --target-processes all "${java[@]}" "io.sailfish.bench.gpu.$2" "${@:3}" || status=$?
}
bench() { program KernelBench "$@"; }
case $what in
  check) check "$@" ;;
  bench) bench "$@" ;;
  ops) "${java[@]}" io.sailfish.bench.gpu.GpuOpsCheck "$@" ;;
  step) program GpuStepBench "$@" ;;
  engine) program GpuEngineBench "$@" ;;
  same) program GpuDeterminismBench "$@" ;;
  soak) # memory of the process is judged: a heap that may grow does
    java+=(-Xms1g -Xmx1g -XX:+AlwaysPreTouch)
    program GpuSoakBench "$@"
    ;;
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
    for tool in memcheck initcheck synccheck; do
      sanitizer $tool GpuCheck --quick --max-rows 33 --repeats 2 "$@"
    done
    # An arrival on an mbarrier orders, for racecheck, what its own lane did, not its warp ahead of a warp barrier (racecheck_probe.cu): a ring whose stages are
    # used a second time looks like a race to it. So products here are short, and prompts' are left out.
    sanitizer racecheck GpuCheck --decode --only 'K=384 N=640' --every 4 --max-rows 64 --repeats 0 "$@"
    for operator in rmsNorm headNorm embed 'rope 64' addBias gather 'logits q8_0'; do
      sanitizer racecheck GpuOpsCheck --activations fp16 --only "$operator"
    done
    exit $status
    ;;
  sanitize-step) # whole steps of a tiny model: prompts, recorded decode steps of many sizes
    status=0
    for tool in memcheck initcheck; do
      sanitizer $tool GpuSoakBench --tiny --requests 100 --kv 3000 --cap 64 --seconds 600 "$@"
    done
    sanitizer synccheck GpuOpsCheck --activations fp16 # it cannot track launches of recorded steps
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
