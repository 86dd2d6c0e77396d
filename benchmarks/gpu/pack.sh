#!/usr/bin/env bash
# Gathers what the checks, the benchmarks and the tests tagged gpu need on a machine that has a card and nothing else: jars with device code, no Spark.
# Usage: benchmarks/gpu/pack.sh FOLDER [--jre]     then there: FOLDER/run.sh (see its head). --jre: with a Java runtime of this machine's JDK, for one that has none
set -euo pipefail
jre=${2:-}
out=$(realpath -m "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
dependency=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
junit=$(sed -nE 's/.*<junit.version>5(.*)<.*/1\1/p' pom.xml)
mkdir -p "$out/lib"
rm -rf "$out"/lib/* "$out/tests" "$out/tree"
mvn -B -q -pl benchmarks -am test-compile -Dsailfish.cuda=require
# Not those of benchmarks: with them comes all of Spark.
mvn -B -q -pl llama-runtime -am compile $dependency:copy-dependencies -Dsailfish.cuda=require -DincludeScope=runtime -DexcludeGroupIds=io.sailfish -DoutputDirectory="$out/lib"
# Of natives only those for the card's machine, of JCuda's only the driver binding.
(cd "$out/lib" && zip -q -d tokenizers-*.jar 'native/lib/win*' 'native/lib/osx*' 'native/lib/linux-aarch64*' 'nlp/*')
(cd "$out/lib" && zip -q -d jcuda-natives-*.jar 'lib/libJNvPTXCompiler*' 'lib/libJNvrtc*' 'lib/libJCudaRuntime*')
jar --create --file "$out/lib/kernels.jar" -C kernels/target/classes .
jar --create --file "$out/lib/arrow-bridge.jar" -C arrow-bridge/target/classes .
jar --create --file "$out/lib/llama-runtime.jar" -C llama-runtime/target/classes .
jar --create --file "$out/lib/benchmarks.jar" -C benchmarks/target/classes .
jar --create --file "$out/lib/spark-plugin.jar" -C spark-plugin/target/classes .
# The tests look for the golden models where the tree has them, and for files rather than entries of a jar.
mkdir -p "$out/tests" "$out/tree/spark-plugin" "$out/tree/bin"
cp bin/gpu-addresses "$out/tree/bin"
sed -n 's:.*<jvm.options>\(.*\)</jvm.options>.*:\1:p' pom.xml >"$out/tests/jvm-options"
mvn -B -q -N $dependency:copy -Dartifact=org.junit.platform:junit-platform-console-standalone:"$junit" -DoutputDirectory="$out/tests"
for module in kernels llama-runtime spark-plugin benchmarks; do
  cp -r $module/target/test-classes "$out/tests/$module"
  mkdir -p "$out/tree/$module/src/test" && cp -r $module/src/test/resources "$out/tree/$module/src/test" 2>/dev/null || true
done
rm -rf "$out"/tests/*/golden
cp benchmarks/gpu/run.sh benchmarks/gpu/cublas.py "$out"
if [ "$jre" = --jre ]; then
  jdk=$(dirname "$(dirname "$(readlink -f "$(type -P java)")")")
  modules=java.base,java.management,jdk.management,java.logging,java.xml,java.sql,java.naming,java.instrument,jdk.incubator.vector,jdk.unsupported,jdk.zipfs,jdk.crypto.ec
  rm -rf "$out/jre" && "$jdk/bin/jlink" --add-modules $modules --strip-debug --no-header-files --no-man-pages --output "$out/jre/runtime" 2>/dev/null
  tar -C "$out/jre" -cJf "$out/jre17.tar.xz" runtime && rm -rf "$out/jre"
fi
git rev-parse --short HEAD >"$out/commit"
du -sh "$out"
