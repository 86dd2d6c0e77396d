#!/bin/sh
# quickstart [options] | spark-submit ... | spark-sql ... | any command
set -eu
model=${SAILFISH_MODEL:-$(ls /models/*.gguf 2>/dev/null | head -n 1)}
case ${1:-help} in
    help)
        echo "usage: quickstart [options] | spark-submit ... | spark-sql ... | any command"
        echo "Mount a folder with a .gguf model at /models, or name the file in SAILFISH_MODEL."
        ;;
    quickstart)
        [ -n "$model" ] || { echo "no *.gguf in /models: mount the model there" >&2; exit 1; }
        shift
        exec spark-submit --master 'local[*]' --driver-memory 2g \
            --class io.sailfish.examples.QuickStart /opt/sailfish/examples.jar \
            --model "$model" --out /home/spark/quickstart "$@"
        ;;
    *) exec "$@" ;;
esac
