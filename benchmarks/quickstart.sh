#!/usr/bin/env bash
# Times the quickstart as a newcomer meets it: fresh clone, empty Maven repository, empty model cache;
# then once more. Writes figures quickstart.cold_s and quickstart.warm_s.
#   benchmarks/quickstart.sh [results.json]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet "$root" "$work/sailfish"
commit=$(git -C "$work/sailfish" rev-parse HEAD)
export SAILFISH_CACHE=$work/cache MAVEN_OPTS="-Dmaven.repo.local=$work/m2"

seconds() {
    local start end
    start=$(date +%s.%N)
    "$@" >&2
    end=$(date +%s.%N)
    echo "$end - $start" | bc
}
cold=$(seconds "$work/sailfish/bin/sailfish" quickstart --out "$work/answers")
warm=$(seconds "$work/sailfish/bin/sailfish" quickstart --out "$work/answers")
echo "cold $cold s, warm $warm s" >&2
out=${1:-$root/benchmarks/results/$(date +%F)-quickstart.json}
python3 - "$out" "$commit" "$cold" "$warm" <<'PY'
import datetime, json, os, platform, sys
out, commit, cold, warm = sys.argv[1:]
model = next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
json.dump({
    "benchmark": "quickstart",
    "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    "commit": commit,
    "machine": f"{os.cpu_count()} cores, {model}, {platform.system()}",
    "command": "benchmarks/quickstart.sh",
    "figures": [
        {"id": "quickstart.cold_s", "value": round(float(cold), 1)},
        {"id": "quickstart.warm_s", "value": round(float(warm), 1)},
    ],
}, open(out, "w"), indent=1)
open(out, "a").write("\n")
PY
