#!/usr/bin/env bash
# Builds the image with rootless tools (buildah, chroot isolation) on a base made from Debian packages
# (mmdebstrap), and runs the quickstart, a spark-submit job and spark-sql in it as its non-root user.
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

model=$(readlink -f "$(bin/sailfish model)") # a mounted link would point nowhere
container=$(buildah from "$image")
in_image() {
    buildah run --network host --user spark --volume "$(dirname "$model"):/models:ro" \
        --env SPARK_LOCAL_IP=127.0.0.1 "$container" -- /usr/bin/sailfish-entrypoint "$@"
}
echo "== quickstart in the image"
in_image quickstart
plugin=(--conf "spark.sailfish.model.path=/models/$(basename "$model")")
echo "== spark-submit in the image"
in_image spark-submit --master 'local[2]' "${plugin[@]}" \
    /opt/sailfish/examples/classify_reviews.py --out /home/spark/submit
echo "== spark-sql in the image"
in_image spark-sql --master 'local[2]' "${plugin[@]}" -f /opt/sailfish/examples/reviews.sql
user=$(in_image id -un)
echo "== the image runs as $user"
[ "$user" = spark ]
echo "docker/verify.sh: ok"
