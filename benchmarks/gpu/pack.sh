#!/usr/bin/env bash
# Gathers what GpuCheck and KernelBench need on a machine that has a card and nothing else: jars with device code, no Spark.
# Usage: benchmarks/gpu/pack.sh FOLDER     then there: FOLDER/run.sh (see its head)
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
jackson=$(sed -nE 's/.*<jackson.version>(.*)<.*/\1/p' pom.xml)
dependency=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
mkdir -p "$out/lib"
rm -f "$out"/lib/*
mvn -B -q -pl benchmarks -am compile -Dsailfish.cuda=require
mvn -B -q -pl kernels $dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$out/lib"
for name in databind core; do
  mvn -B -q -N $dependency:copy -Dartifact=com.fasterxml.jackson.core:jackson-$name:"$jackson" -DoutputDirectory="$out/lib"
done
mvn -B -q -N $dependency:copy -Dartifact=com.fasterxml.jackson.core:jackson-annotations:"${jackson%.*}" -DoutputDirectory="$out/lib"
# Of JCuda's natives only the driver binding is used.
(cd "$out/lib" && zip -q -d jcuda-natives-*.jar 'lib/libJNvPTXCompiler*' 'lib/libJNvrtc*' 'lib/libJCudaRuntime*')
jar --create --file "$out/lib/kernels.jar" -C kernels/target/classes .
jar --create --file "$out/lib/arrow-bridge.jar" -C arrow-bridge/target/classes .
jar --create --file "$out/lib/llama-runtime.jar" -C llama-runtime/target/classes .
jar --create --file "$out/lib/benchmarks.jar" -C benchmarks/target/classes .
cp benchmarks/gpu/run.sh benchmarks/gpu/cublas.py "$out"
git rev-parse --short HEAD >"$out/commit"
du -sh "$out"
