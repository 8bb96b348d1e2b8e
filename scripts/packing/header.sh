#!/bin/sh
# agent @VERSION@ for @TARGET@, self-extracting: this text, then a gzipped tar (runtime and program).
# The first start unpacks it, checked, into a folder of its own; every later start only looks there.
#   AGENT_CACHE   where to unpack; tried before /var/cache/agent, the user's cache and the temporary folder
# Needs a POSIX shell and tail, tar, gzip, sha256sum, ls, mkdir, mv, rm, sync: busybox has them all.

PATH=${PATH:-/usr/sbin:/usr/bin:/sbin:/bin}
name=agent-@VERSION@-@SHORT_SUM@

fail() {
  printf 'agent: Cannot %s: %s\nTry: %s\n' "$1" "$2" "$3" >&2
  exit 1
}

# Calls $1 with each folder that may hold our copies, best first, until it succeeds.
with_folders() {
  [ -n "$AGENT_CACHE" ] && "$1" "$AGENT_CACHE" && return 0
  [ -w /var/cache ] && "$1" /var/cache/agent && return 0
  [ -n "$XDG_CACHE_HOME" ] && "$1" "$XDG_CACHE_HOME/agent" && return 0
  [ -n "$HOME" ] && "$1" "$HOME/.cache/agent" && return 0
  "$1" "${TMPDIR:-/tmp}/agent-$(id -u)" && return 0
  [ -n "$TMPDIR" ] && "$1" "/tmp/agent-$(id -u)"
}

# Whether nobody else can have made folder $1: what we run from there is what we put there.
ours() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ]
}

# Whether $1 is a complete copy: the mark is written last, and the size shows what a power cut left behind.
complete() {
  ours "$1" && [ -f "$1/complete" ] && [ -x "$1/deno" ] && [ -f "$1/@ENTRY@" ] || return 1
  listed=$(ls -lnL "$1/deno" 2>/dev/null) || return 1
  # shellcheck disable=SC2086 -- the words of the line are what is wanted
  set -- $listed
  [ "$5" = @RUNTIME_BYTES@ ]
}

find_copy() {
  ours "$1" && complete "$1/$name" && copy=$1/$name
}

payload() {
  tail -c +@PAYLOAD_START@ "$self"
}

check_payload() {
  command -v sha256sum >/dev/null || fail 'unpack itself' '"sha256sum" is not here' 'install coreutils or busybox'
  found=$(payload | sha256sum)
  [ "${found%% *}" = @PAYLOAD_SUM@ ] ||
    fail "start \"$self\"" 'the file is damaged or cut short: its SHA-256 does not match' 'copy it to this machine again'
}

# Removes what starts that died left in $1, and copies of other versions that no process runs.
tidy() {
  for old in "$1"/.unpacking-*; do
    [ -d "/proc/${old##*-}" ] || rm -rf "$old"
  done
  for old in "$1"/agent-*; do
    [ "$old" = "$1/$name" ] && continue
    # shellcheck disable=SC2010 -- the link's target is wanted, not its name
    ls -l /proc/[0-9]*/exe 2>/dev/null | grep -qF "$old/" || rm -rf "$old"
  done
}

# Fills folder $part and shows that its runtime runs here; the output is what stood against it.
fill() {
  mkdir "$part" || return 1
  payload | gzip -dc | tar -xf - -C "$part" || return 1
  said=$("$part/deno" --version 2>&1 >/dev/null) || {
    # A shell says of a program whose loader is missing that the program is.
    [ -e "@LOADER@" ] || said='this machine has no glibc (@LOADER@)'
    echo "$said"
    return 1
  }
  : >"$part/complete" || return 1
  # The content first, then the name: after a power cut there is a whole copy under that name, or none.
  sync -f "$part" 2>/dev/null || sync
}

# Gives the filled folder $part its name in $1. Another start may do the same now: whose copy stays is all the same.
publish() {
  complete "$1/$name" && return
  [ ! -e "$1/$name" ] || mv "$1/$name" "$part.damaged"
  mv "$part" "$1/$name" && rm -rf "$1/$name/${part##*/}"
}

unpack() {
  mkdir -p "$1" 2>/dev/null
  ours "$1" || {
    against="$against
  $1: cannot be made, or belongs to somebody else"
    return 1
  }
  set -- "$(cd "$1" && pwd -P)"
  tidy "$1"
  part=$1/.unpacking-$$
  problem=$(fill 2>&1) && problem=$(publish "$1" 2>&1)
  rm -rf "$part" "$part.damaged"
  find_copy "$1" && return 0
  against="$against
  $1: $(printf '%s' "${problem:-nothing can be kept there}" | head -n 1)"
  return 1
}

start() {
  self=$0
  copy=
  if ! with_folders find_copy; then
    old_umask=$(umask)
    umask 077
    check_payload
    trap '[ -z "$part" ] || rm -rf "$part"; exit 143' HUP INT TERM
    with_folders unpack || fail 'unpack itself' "no folder will do:$against" \
      'set AGENT_CACHE to a folder of yours with @UNPACKED_MIB@ MiB free that programs may be started from'
    trap - HUP INT TERM
    umask "$old_umask"
  fi
  case $self in
  /*) AGENT_PROGRAM=$self ;;
  *) AGENT_PROGRAM=$PWD/$self ;;
  esac
  export AGENT_PACKING=self-extracting AGENT_PROGRAM
  export DENO_DIR="$copy/cache" DENO_NO_UPDATE_CHECK=1 DENO_NO_PACKAGE_JSON=1
  exec "$copy/deno" @RUN_FLAGS@ "$copy/@ENTRY@" "$@"
}

start "$@"
exit 1
