#!/usr/bin/env bash
# Runs a program of io.sailfish.bench by its simple name, compiled from the tree as it is.
#   benchmarks/run.sh EngineBench MODEL.gguf benchmarks/results
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
classpath=$PWD/benchmarks/target/run.classpath
mvn -B -q -pl benchmarks -am compile dependency:build-classpath -Dmdep.outputFile="$classpath"
options=$(sed -n 's:.*<jvm.options>\(.*\)</jvm.options>.*:\1:p' pom.xml)
# shellcheck disable=SC2086
exec "${JAVA_HOME:+$JAVA_HOME/bin/}java" $options ${SAILFISH_BENCH_JVM:--Xmx2g} \
    -cp "benchmarks/target/classes:$(cat "$classpath")" "io.sailfish.bench.$1" "${@:2}"
