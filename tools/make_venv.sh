#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make a virtual environment, also on a Debian or Ubuntu whose Python came without venv and pip.
set -eu
python=$1
venv=$2

if "$python" -m venv "$venv"; then exit 0; fi
rm -rf "$venv"
if "$python" -m virtualenv "$venv" 2>/dev/null; then exit 0; fi
rm -rf "$venv"

as_root=''
if [ "$(id -u)" -ne 0 ]; then as_root='sudo'; fi
$as_root apt-get update
$as_root apt-get install -y python3-venv
"$python" -m venv "$venv"
