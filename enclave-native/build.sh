#!/usr/bin/env bash
# Builds the native library of this module, and its tests.
#
#   build.sh library DIR   puts libcapsule_script.so into DIR/<os>-<arch>/, or, where it cannot be
#                          had, a file unavailable.txt that says why; nothing happens if it is there
#                          and nothing it is made of changed
#   build.sh test          builds the C tests with AddressSanitizer and UndefinedBehaviorSanitizer,
#                          and once without, and runs both
#
#   CC             the C compiler; gcc, clang or cc if not given
#   DUKTAPE_DIR    the directory of duktape.c; else /usr/share/duktape (Debian's duktape-dev), else
#                  that package is fetched, without installing it
#   JAVA_HOME      where include/jni.h is
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

# Debian's duktape-dev 2.7.0-2. Nothing else is compiled, ever.
readonly duktape_sums='2fa5f54ae03b574b2e6cacfb412f3a02c7207b7833f75129a234326b48c17496  duktape.c
6ba93aea92510096c43ddd7c7f9e36f698225c9cd2af788bf414adf7c777deb2  duktape.h
2644ecf3b1702232957ec98f69432b7cf4f4d3009d50fff0a24899bf449fe4a9  duk_config.h'
readonly ours=(arena snapshot script_values script_heap script_globals watchdog)
readonly work=target/native

# Not -Wconversion and the like for the engine's file: it is not ours.
readonly language=(-std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden)
readonly warnings=(-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror)
readonly release=(-O2 -g0 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fno-strict-aliasing)
readonly sanitize=(-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined
  -fno-sanitize-recover=undefined)
readonly link=(-shared -Wl,-z,relro,-z,now,-z,noexecstack,-z,defs
  -Wl,--version-script=src/main/c/exports.map)

# unavailable REASON...: remembers why there is no library, and ends well.
unavailable() {
  printf '%s\n' "$*" >"$library_dir/unavailable.txt"
  rm -f -- "$library_dir/libcapsule_script.so"
  printf 'enclave-native: procedures are off: %s\n' "$*" >&2
  exit 0
}

find_compiler() {
  local candidate
  for candidate in "${CC:-}" gcc clang cc; do
    if [[ -n $candidate ]] && type -P "$candidate" >/dev/null; then
      compiler=$candidate
      return 0
    fi
  done
  return 1
}

is_pinned() {
  [[ -d $1 ]] && (cd -- "$1" && sha256sum --check --status <<<"$duktape_sums")
}

# Sets duktape to a directory with the pinned source, or fails.
find_duktape() {
  local candidate fetched=$work/duktape
  for candidate in "${DUKTAPE_DIR:-}" /usr/share/duktape "$fetched/usr/share/duktape"; do
    if [[ -n $candidate ]] && is_pinned "$candidate"; then
      duktape=$candidate
      return 0
    fi
  done
  type -P apt-get >/dev/null && type -P dpkg-deb >/dev/null || return 1
  rm -rf -- "$fetched"
  mkdir -p -- "$fetched"
  (cd -- "$fetched" && apt-get -qq download duktape-dev >/dev/null 2>&1 &&
    dpkg-deb -x duktape-dev_*.deb . && rm -f -- duktape-dev_*.deb) || return 1
  duktape=$fetched/usr/share/duktape
  is_pinned "$duktape"
}

# object NAME FLAGS...: compiles src/main/c/NAME.c into $objects.
object() {
  local name=$1
  shift
  "$compiler" "${language[@]}" "$@" -c "src/main/c/$name.c" -o "$objects/$name.o"
}

# The engine takes ten seconds: it is compiled again only when something it is made of changed.
engine() {
  local sum
  sum=$(cat -- build.sh src/main/c/duktape_unit.c src/main/c/duktape_hooks.h | sha256sum)
  sum+=" $* $("$compiler" -v 2>&1 | tail -n 1)"
  if [[ -f $objects/duktape_unit.o && -f $objects/engine.sum && $(<"$objects/engine.sum") == "$sum" ]]; then
    return
  fi
  rm -f -- "$objects/engine.sum"
  # Its own warnings are its authors'.
  object duktape_unit -I"$duktape" -w "$@"
  printf '%s\n' "$sum" >"$objects/engine.sum"
}

build_library() {
  local architecture sum
  architecture=$(uname -m)
  library_dir=$1/linux-$architecture
  mkdir -p -- "$library_dir" "$work"
  [[ $(uname -s) == Linux ]] || unavailable "the engine is built on Linux only, not on $(uname -s)"
  case $architecture in
    x86_64 | aarch64) ;;
    *) unavailable "the engine is built on x86_64 and aarch64 only, not on $architecture" ;;
  esac
  find_compiler || unavailable "no C compiler was found when this was built: install gcc" \
    "(as root: apt-get install gcc libc6-dev) and build again"
  local java_include=${JAVA_HOME:-/nowhere}/include
  [[ -f $java_include/jni.h ]] || unavailable "the JDK that built this has no include/jni.h:" \
    "build again with JAVA_HOME naming a whole JDK"
  printf '#include <stdio.h>\nint main(void) { return 0; }\n' >"$work/probe.c"
  "$compiler" "$work/probe.c" -o "$work/probe" 2>/dev/null || unavailable \
    "$compiler cannot build a C program: install the C library's headers" \
    "(as root: apt-get install libc6-dev) and build again"
  find_duktape || unavailable "the source of Duktape 2.7.0 was not found when this was built:" \
    "install it (as root: apt-get install duktape-dev) or set DUKTAPE_DIR, and build again"

  sum=$(cat -- build.sh src/main/c/* | sha256sum)
  sum+=" $("$compiler" -v 2>&1 | tail -n 1) ${CFLAGS:-}"
  if [[ -f $library_dir/libcapsule_script.so && -f $work/library.sum && $(<"$work/library.sum") == "$sum" ]]; then
    return
  fi
  objects=$work/release
  mkdir -p -- "$objects"
  rm -f -- "$work/library.sum" "$library_dir/unavailable.txt"
  engine "${release[@]}"
  local name
  for name in "${ours[@]}"; do
    object "$name" "${warnings[@]}" "${release[@]}" -isystem "$duktape"
  done
  object script_jni "${warnings[@]}" "${release[@]}" -isystem "$java_include" \
    -isystem "$java_include/linux"
  "$compiler" "${link[@]}" "${release[@]}" "$objects"/*.o -o "$library_dir/libcapsule_script.so.new" \
    -lm -lpthread -Wl,--strip-all
  mv -- "$library_dir/libcapsule_script.so.new" "$library_dir/libcapsule_script.so"
  printf '%s\n' "$sum" >"$work/library.sum"
}

# run_tests NAME FLAGS...: builds the tests with these flags and runs them.
run_tests() {
  local flavour=$1 name
  shift
  objects=$work/test-$flavour
  mkdir -p -- "$objects"
  engine "$@"
  for name in "${ours[@]}"; do
    object "$name" "${warnings[@]}" "$@" -isystem "$duktape"
  done
  "$compiler" "${language[@]}" "${warnings[@]}" "$@" src/test/c/script_heap_test.c "$objects"/*.o \
    -o "$work/script_heap_test-$flavour" -lm -lpthread
  printf 'enclave-native: C tests, %s: ' "$flavour"
  # Where the kernel randomises addresses widely, AddressSanitizer of older compilers cannot start.
  local -a runner=()
  if setarch "$(uname -m)" -R true 2>/dev/null; then runner=(setarch "$(uname -m)" -R); fi
  "${runner[@]}" "$work/script_heap_test-$flavour"
}

case ${1:-} in
  library)
    build_library "$2"
    ;;
  test)
    mkdir -p -- "$work"
    # What is missing was said when the library was built, and its Java tests are left out too.
    { [[ $(uname -s) == Linux ]] && find_compiler && find_duktape; } || exit 0
    run_tests plain "${release[@]}"
    printf 'int main(void) { return 0; }\n' >"$work/probe.c"
    if "$compiler" "${sanitize[@]}" "$work/probe.c" -o "$work/probe" 2>/dev/null; then
      run_tests sanitized "${sanitize[@]}"
    else
      printf 'enclave-native: %s has no sanitizers here: their tests are left out\n' "$compiler" >&2
      [[ -z ${CI:-} ]]
    fi
    ;;
  *)
    printf 'build.sh library DIR | build.sh test\n' >&2
    exit 2
    ;;
esac
