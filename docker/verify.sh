#!/usr/bin/env bash
# Builds the image with rootless tools (buildah, chroot isolation) on a base made from Debian packages
# (mmdebstrap), and runs the quickstart and a spark-submit job in it as its non-root user.
#   docker/verify.sh              needs: buildah, mmdebstrap, a finished `mvn package`
#   BASE=name docker/verify.sh    uses that base image instead of making one
#   CA_BUNDLE=file                certificates that package downloads need behind a proxy
set -euo pipefail
cd "$(dirname "$0")/.."

export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
image=localhost/sailfish
work=$(mktemp -d)
container=
cleanup() {
    if [ -n "$container" ]; then buildah rm "$container" >/dev/null; fi
    rm -rf "$work"
}
trap cleanup EXIT

base=${BASE:-localhost/sailfish-debian}
if [ -z "${BASE:-}" ] && ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    echo "== base image from Debian packages"
    mmdebstrap --variant=minbase --include=ca-certificates bookworm "$work/base.tar"
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$work/base.tar" /
    buildah commit --quiet "$container" "$base" >/dev/null
    buildah rm "$container" >/dev/null
    container=
fi

mounts=()
if [ -n "${CA_BUNDLE:-}" ]; then
    mounts+=(--volume "$CA_BUNDLE:/etc/ssl/certs/ca-certificates.crt:ro")
fi
echo "== image"
buildah build --network host "${mounts[@]}" --build-arg "BASE=$base" \
    --tag "$image" --file docker/Dockerfile .

model=$(bin/sailfish model)
container=$(buildah from "$image")
in_image() {
    buildah run --network host --user spark --volume "$(dirname "$model"):/models:ro" \
        --env SPARK_LOCAL_IP=127.0.0.1 "$container" -- /usr/bin/sailfish-entrypoint "$@"
}
echo "== quickstart in the image"
in_image quickstart --error-rows 40
echo "== spark-submit in the image"
in_image spark-submit --master 'local[2]' \
    --conf "spark.sailfish.model.path=/models/$(basename "$model")" \
    /opt/sailfish/examples/classify_reviews.py --out /home/spark/submit
echo "== the image runs as $(in_image id -un)"
[ "$(in_image id -un)" = spark ]
echo "docker/verify.sh: ok"
