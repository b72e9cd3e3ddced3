#!/bin/sh
# Print a Python that can build this project's environments: a released version from 3.11 on, with venv and pip.
#
#   sh tools/find_python.sh            the first of: $PYTHON, python3.11 ... python3.14, python3, those that pyenv keeps
#   sh tools/find_python.sh 3.11       the first of them that is Python 3.11
#   sh tools/find_python.sh newest     the one with the highest version
#
# Each is judged by running it: a pyenv shim may exist and still fail.
wanted=${1:-any}

probe='
import sys, venv, ensurepip
if sys.version_info >= (3, 11) and sys.version_info.releaselevel == "final":
    print(*sys.version_info[:2])
'

best= best_minor=0

# Look at one candidate; true when the search can end with it.
consider() {
    version=$("$1" -c "$probe" 2>/dev/null </dev/null) && [ -n "$version" ] || return 1
    minor=${version#3 }
    case $wanted in
        any) best=$1 ;;
        newest) [ "$minor" -gt "$best_minor" ] && best=$1 best_minor=$minor; false ;;
        *) [ "3.$minor" = "$wanted" ] && best=$1 ;;
    esac
}

search() {
    if [ -n "$PYTHON" ]; then
        consider "$PYTHON" && return
        [ "$wanted" = any ] && echo "PYTHON=$PYTHON is not Python 3.11 or later with venv; looking for another" >&2
    fi
    for name in python3.11 python3.12 python3.13 python3.14 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python; do
        consider "$name" && return
    done
}

search
if [ -n "$best" ]; then
    echo "$best"
else
    [ "$wanted" = any ] && echo "No Python 3.11 or later with the venv module was found: install one (Debian, Ubuntu:" \
        "apt-get install python3 python3-venv) or name it (make test PYTHON=/path/to/python)" >&2
    exit 1
fi
