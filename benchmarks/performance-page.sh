#!/usr/bin/env bash
# Writes docs/performance.md and its plots from benchmarks/results.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec mvn -B -q -pl benchmarks -am -Pperformance-page process-classes
