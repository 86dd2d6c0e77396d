#!/usr/bin/env bash
# Writes docs/formats.md from the list of formats and their codecs.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/run.sh" FormatsPage .
