# Sourced by bin/capsule, bin/test and mvnw (bash 4 or newer): finds, or as root or with sudo
# installs, a JDK and Maven. Everything here that runs on each start costs no process: a start of
# the command line has 0.5 s in all.
#
# shellcheck shell=bash

CAPSULE_ROOT="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
readonly CAPSULE_ROOT
readonly CAPSULE_JAVA_AT_LEAST=25
readonly CAPSULE_MAVEN_AT_LEAST=3.8.7

say() { printf '%s\n' "$*" >&2; }

die() {
  say "${0##*/}: $*"
  exit 1
}

# java_major HOME: prints the major version of the Java in HOME; fails if there is none.
# The file "release" answers without starting a JVM; only a Java without one is asked itself.
java_major() {
  local line version=''
  [[ -x $1/bin/java ]] || return 1
  if [[ -r $1/release ]]; then
    while IFS= read -r line; do
      if [[ $line == JAVA_VERSION=* ]]; then
        version=${line#JAVA_VERSION=}
        version=${version//\"/}
        break
      fi
    done <"$1/release"
  fi
  if [[ -z $version ]]; then
    version=$("$1/bin/java" -version 2>&1) || return 1
    [[ $version =~ \"([^\"]*)\" ]] || return 1
    version=${BASH_REMATCH[1]}
  fi
  version=${version%%[!0-9]*}
  [[ -n $version ]] && printf '%s\n' "$version"
}

# usable_java HOME TOOL: whether HOME has TOOL ("java" to run, "javac" to build) of a version that
# is new enough. Sets nothing, prints nothing.
usable_java() {
  local major
  [[ -n $1 && -x $1/bin/$2 ]] || return 1
  major=$(java_major "$1") || return 1
  ((major >= CAPSULE_JAVA_AT_LEAST))
}

# look_for_java TOOL: sets JAVA_HOME to the first Java that will do: JAVA_HOME, then the java on the
# PATH, then /usr/lib/jvm.
look_for_java() {
  local candidate on_path
  if usable_java "${JAVA_HOME:-}" "$1"; then
    export JAVA_HOME
    return 0
  fi
  if on_path=$(type -P java); then
    on_path=$(readlink -f -- "$on_path")
    candidate=${on_path%/bin/java}
    if usable_java "$candidate" "$1"; then
      export JAVA_HOME=$candidate
      return 0
    fi
  fi
  for candidate in /usr/lib/jvm/*; do
    if usable_java "$candidate" "$1"; then
      export JAVA_HOME=$candidate
      return 0
    fi
  done
  return 1
}

# apt_install PACKAGE: installs a distribution package, as root or with sudo; fails quietly if that
# is not possible here. What apt prints goes to the standard error.
apt_install() {
  local -a as_root=()
  type -P apt-get >/dev/null || return 1
  if ((EUID != 0)); then
    type -P sudo >/dev/null || return 1
    # Without a terminal nobody can type a password.
    if [[ -t 0 ]]; then as_root=(sudo); else as_root=(sudo -n); fi
    say "${0##*/}: the package $1 is missing: trying to install it with sudo"
    "${as_root[@]}" true 2>/dev/null || return 1
  else
    say "${0##*/}: installing the package $1"
  fi
  if ! apt-cache show "$1" >/dev/null 2>&1; then
    "${as_root[@]}" apt-get update -qq >&2 || return 1
    apt-cache show "$1" >/dev/null 2>&1 || return 1
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$1" </dev/null >&2
}

# need_java TOOL: sets JAVA_HOME or ends the program with what to do.
need_java() {
  local package="openjdk-$CAPSULE_JAVA_AT_LEAST-jdk-headless"
  look_for_java "$1" && return 0
  if apt_install "$package" && look_for_java "$1"; then
    return 0
  fi
  die "no JDK $CAPSULE_JAVA_AT_LEAST or newer found in JAVA_HOME, on the PATH or in /usr/lib/jvm:" \
    "unpack any JDK $CAPSULE_JAVA_AT_LEAST (Eclipse Temurin, for example) and set JAVA_HOME to it," \
    "or where your distribution has it, as root: apt-get install $package"
}

# at_least VERSION MINIMUM: compares dotted version numbers.
at_least() {
  [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]
}

# usable_maven COMMAND: whether it is a Maven that is new enough. Needs JAVA_HOME.
usable_maven() {
  local text
  [[ -n $1 && -x $1 ]] || return 1
  # Away from the project: its .mvn/jvm.config is for the build, not for this question.
  text=$(cd / && "$1" --version 2>/dev/null) || return 1
  [[ $text =~ Apache\ Maven\ ([0-9.]+) ]] || return 1
  at_least "${BASH_REMATCH[1]}" "$CAPSULE_MAVEN_AT_LEAST"
}

# fetch_maven: unpacks the Maven archive that MAVEN_DIST_URL names, once, and prints its command.
fetch_maven() {
  local url=$MAVEN_DIST_URL name home work
  name=${url##*/}
  name=${name%.tar.gz}
  name=${name%-bin}
  [[ $name =~ ^[A-Za-z0-9._-]+$ && $url == *.tar.gz ]] || {
    say "${0##*/}: MAVEN_DIST_URL must name a .tar.gz of Maven"
    return 1
  }
  home=${MAVEN_USER_HOME:-$HOME/.m2}/wrapper/dists/capsuledb/$name
  if [[ ! -x $home/bin/mvn ]]; then
    say "${0##*/}: fetching Maven from MAVEN_DIST_URL"
    mkdir -p -- "${home%/*}"
    work=$(mktemp -d -- "${home%/*}/unpacking-XXXXXX")
    if type -P curl >/dev/null; then
      curl -fsSL --retry 3 --max-time 600 -o "$work/maven.tar.gz" -- "$url" >&2
    elif type -P wget >/dev/null; then
      wget -q -O "$work/maven.tar.gz" -- "$url" >&2
    else
      say "${0##*/}: neither curl nor wget is installed to fetch MAVEN_DIST_URL"
      false
    fi && {
      [[ -z ${MAVEN_DIST_SHA512:-} ]] ||
        sha512sum --check --quiet <<<"$MAVEN_DIST_SHA512  $work/maven.tar.gz" >&2
    } && mkdir "$work/maven" &&
      tar -xzf "$work/maven.tar.gz" -C "$work/maven" --strip-components=1 &&
      mv -T -- "$work/maven" "$home" || {
      rm -rf -- "$work"
      return 1
    }
    rm -rf -- "$work"
  fi
  printf '%s\n' "$home/bin/mvn"
}

# need_maven: sets MAVEN_COMMAND or ends the program with what to do. Needs JAVA_HOME. No registry
# is named here: a Maven that is installed already comes first, then the archive MAVEN_DIST_URL
# names (checked against MAVEN_DIST_SHA512 if that is set), then the distribution's package.
need_maven() {
  local candidate
  MAVEN_COMMAND=''
  for candidate in "${MAVEN_HOME:+$MAVEN_HOME/bin/mvn}" "$(type -P mvn || true)"; do
    if usable_maven "$candidate"; then
      MAVEN_COMMAND=$candidate
      return 0
    fi
  done
  if [[ -n ${MAVEN_DIST_URL:-} ]]; then
    candidate=$(fetch_maven) && usable_maven "$candidate" && {
      MAVEN_COMMAND=$candidate
      return 0
    }
    die "MAVEN_DIST_URL did not give a working Maven $CAPSULE_MAVEN_AT_LEAST or newer:" \
      "check the address and MAVEN_DIST_SHA512"
  fi
  if apt_install maven; then
    hash -r
    candidate=$(type -P mvn || true)
    if usable_maven "$candidate"; then
      MAVEN_COMMAND=$candidate
      return 0
    fi
  fi
  die "no Maven $CAPSULE_MAVEN_AT_LEAST or newer found in MAVEN_HOME or on the PATH: install one" \
    "(as root: apt-get install maven) or set MAVEN_DIST_URL to a Maven binary .tar.gz"
}

# want_native: tries to have what the script engine is built from, a C compiler and Duktape's source.
# Without them everything else is built and works, and what needs the engine says why it is off.
want_native() {
  if ! type -P gcc >/dev/null && ! type -P clang >/dev/null && ! type -P cc >/dev/null; then
    # The compiler only recommends the C library's headers.
    apt_install libc6-dev && apt_install gcc || return 0
  fi
  if [[ -z ${DUKTAPE_DIR:-} && ! -f /usr/share/duktape/duktape.c ]]; then
    apt_install duktape-dev || return 0
  fi
}

# The JVM decodes command-line arguments by the locale: without UTF-8 keys would arrive mangled.
case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
  *[Uu][Tt][Ff]-8* | *[Uu][Tt][Ff]8*) ;;
  *) export LC_ALL=C.UTF-8 ;;
esac
