#!/bin/sh
# setup.sh PYTHON VENV WHAT [PROGRAM...]: make sure that the virtual environment VENV, of the interpreter PYTHON, has WHAT
# installed (".", ".[dev]", ".[bench]"), and that the machine has each PROGRAM. Does nothing when that is so already.
set -eu
python=$1 venv=$2 what=$3
shift 3

fail() {
  echo "setup: $*" >&2
  exit 1
}

apt_install() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "setup: installing $*"
    DEBIAN_FRONTEND=noninteractive
    RUNLEVEL=1 # servers that it installs stay off
    export DEBIAN_FRONTEND RUNLEVEL
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  else
    fail "$* is missing. On Debian and Ubuntu: sudo apt-get install $*"
  fi
}

[ "$python" != python3 ] || command -v python3 >/dev/null || apt_install python3 python3-venv
command -v "$python" >/dev/null || fail "there is no $python on this machine"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "$python is older than Python 3.10; say PYTHON=python3.x"

version='import sys; print(*sys.version_info[:3])'
if [ "$("$venv/bin/python" -c "$version" 2>/dev/null || true)" != "$("$python" -c "$version")" ]; then
  rm -rf "$venv"
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    apt_install "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
  fi
  echo "setup: making $venv"
  "$python" -m venv "$venv"
fi

stamp="$venv/installed-$(echo "$what" | tr -c 'a-z\n' _)"
if [ ! -f "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
  echo "setup: installing $what into $venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$what"
  touch "$stamp"
fi

for program; do
  command -v "$program" >/dev/null || apt_install "$program"
done
