#!/usr/bin/env bash
# Runs one of the Spark benchmarks, GpuClusterBench on this host's cards, the others on the CPU.
#   benchmarks/spark.sh SparkBench MODEL [PROMPTS] [REPETITIONS]
#   benchmarks/spark.sh SparkDeterminismBench MODEL [ROWS]
#   benchmarks/spark.sh QuantizeScalingBench MODEL TEXT [LAYERS] [SEQUENCES]
#   benchmarks/spark.sh GpuClusterBench MODEL [ROWS] [REPETITIONS] [CARDS] [SETTING=VALUE ...]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
program=$1 model=$2
case $program in
    SparkBench) arguments=("$model" "${3:-2000}" "${4:-1}" benchmarks/results) ;;
    SparkDeterminismBench) arguments=("$model" "${3:-40}" benchmarks/results) ;;
    QuantizeScalingBench) arguments=("$model" "$3" "${4:-5}" "${5:-128}" benchmarks/results) ;;
    GpuClusterBench) arguments=("$model" "${3:-3072}" "${4:-2}" "${5:-2}" benchmarks/results "$(git rev-parse --short HEAD)" "${@:6}") ;;
    *) echo "no such benchmark: $program" >&2; exit 2 ;;
esac

if [ -z "${SAILFISH_CLASSPATH:-}" ]; then
    mvn --batch-mode --quiet -DskipTests -Dspotless.check.skip=true -pl benchmarks -am \
        test-compile dependency:build-classpath \
        -Dmdep.outputFile="$root/benchmarks/target/classpath.txt"
    SAILFISH_CLASSPATH=$root/benchmarks/target/classes:$(cat "$root/benchmarks/target/classpath.txt")
fi
options=$(sed -n 's:.*<jvm.options>\(.*\)</jvm.options>.*:\1:p' pom.xml)
# What a local cluster needs to start executors; the program lays out the jars.
export SPARK_HOME=$root/benchmarks/target/spark-home SPARK_SCALA_VERSION=2.13 SPARK_LOCAL_IP=127.0.0.1
# shellcheck disable=SC2086
exec java $options -Xmx3g -cp "$SAILFISH_CLASSPATH" "io.sailfish.bench.$program" "${arguments[@]}"
