# What the findings share: a temporary folder, installation, processes, the comparison. Sourced, not run.
#
# A finding ends with `as_stated SEEN_NOW STATED`: exit 0 while the behaviour is the one its first lines state, 1 when it
# has changed. Exit 3: the packages could not be installed, which says nothing of the behaviour.
set -euo pipefail
export LC_ALL=C PIP_DISABLE_PIP_VERSION_CHECK=1

work=$(mktemp -d)
pids=()

clean_up() {
    local pid
    for pid in ${pids[@]+"${pids[@]}"}; do kill "$pid" 2>/dev/null || true; done
    for pid in ${pids[@]+"${pids[@]}"}; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

cannot_install() {
    echo "Could not install: $*" >&2
    exit 3
}

# pip packages, in an environment of its own: $python and its neighbours
install_python() {
    python3 -m venv "$work/venv" && "$work/venv/bin/pip" install -q "$@" >&2 || cannot_install "$@"
    python=$work/venv/bin/python
}

# npm packages; scripts in $work/node find them
install_node() {
    mkdir -p "$work/node" && cd "$work/node"
    echo '{"private": true}' >package.json
    npm install --silent --no-audit --no-fund --ignore-scripts "$@" >&2 || cannot_install "$@"
}

# A Go module in $work/go with these requirements; main.go there is built by `go build`
install_go() {
    mkdir -p "$work/go" && cd "$work/go"
    export GOMODCACHE=$work/go-modules GOFLAGS="-modcacherw -mod=mod"
    printf 'module finding\n\ngo 1.24\n' >go.mod
    go get "$@" >"$work/go.log" 2>&1 || { tail -3 "$work/go.log" >&2; cannot_install "$@"; }
}

# A program of a Go module (path@version) on $PATH
install_go_program() {
    export GOMODCACHE=$work/go-modules GOFLAGS="-modcacherw" GOBIN=$work/bin PATH=$work/bin:$PATH
    echo "Building, a few minutes on a slow machine." >&2
    go install -trimpath "$1" >"$work/go.log" 2>&1 || { tail -3 "$work/go.log" >&2; cannot_install "$1"; }
}

# A crate with these requirements (name=version) in $work/rust, built and run from its src/main.rs by `cargo run -q`
install_rust() {
    mkdir -p "$work/rust/src" && cd "$work/rust"
    printf '[package]\nname = "finding"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n' >Cargo.toml
    local each
    for each in "$@"; do echo "${each%%=*} = \"=${each#*=}\"" >>Cargo.toml; done
    echo 'fn main() {}' >src/main.rs
    cargo build -q >"$work/cargo.log" 2>&1 || { tail -3 "$work/cargo.log" >&2; cannot_install "$@"; }
}

# Debian packages (name=version, * may stand in the version), unpacked in $work/debian without installing anything.
# The machine's package lists are used where they are there, else fresh ones are fetched into $work.
install_debian() {
    local lists=()
    mkdir -p "$work/debs" "$work/debian" "$work/lists/partial" && cd "$work/debs"
    if ! apt-get -q download "$@" >"$work/apt.log" 2>&1; then
        lists=(-o Dir::State::lists="$work/lists" -o Debug::NoLocking=1 -o APT::Sandbox::User=)
        apt-get -q "${lists[@]}" update >"$work/apt.log" 2>&1 && apt-get -q "${lists[@]}" download "$@" >>"$work/apt.log" 2>&1 ||
            { tail -3 "$work/apt.log" >&2; cannot_install "$@"; }
    fi
    local deb
    for deb in *.deb; do dpkg-deb -x "$deb" "$work/debian"; done
    export PATH=$work/debian/usr/bin:$work/debian/usr/sbin:$PATH
    cd "$work"
}

# Start a program in the background; it is ended, by its pid, when the script ends
start() {
    "$@" >"$work/output.${#pids[@]}" 2>&1 &
    pids+=($!)
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Wait at most 20 s until a command succeeds
wait_until() {
    local try
    for try in $(seq 100); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.2
    done
    echo "Waited in vain for: $*" >&2
    tail -n 5 "$work"/output.* >&2 || true
    exit 2
}

answers() {
    curl -s -o /dev/null --max-time 2 "$1"
}

as_stated() {
    echo "seen now: $1"
    if [ "$1" = "$2" ]; then
        echo "As stated."
    else
        echo "CHANGED; stated was: $2"
        exit 1
    fi
}
