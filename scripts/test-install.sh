#!/bin/sh
# test-install.sh STAGE PREFIX LIBDIR: builds the smallest programs, which know only what lies installed below STAGE: by
# CMake and by pkg-config, shared and static, in C and in C++. Each has to run. STAGE has lost librft.so after it.
set -eu
stage=$1
prefix=$2
libdir=$3
cd "$(dirname "$0")/.."
smoke=$PWD/examples/smoke
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "test-install: $*" >&2
    exit 1
}

# runs SHARED PROGRAM: it loads librft so many times, and says hello in a new directory and in what that has become.
runs() {
    [ "$(ldd "$2" | grep -c 'librft\.so')" = "$1" ] || fail "$2 is not linked as it should be"
    rm -rf "$work/run" && mkdir "$work/run"
    for _ in 1 2; do
        [ "$(cd "$work/run" && timeout 60 "$2")" = hello ] || fail "$2 does not say hello"
    done
}

languages=c
if scripts/need.sh --optional 'rft.hpp as it is installed' g++; then
    languages='c cpp'
fi
version=$(sed -n 's/^#define RFT_VERSION_STRING "\(.*\)"/\1/p' "$stage$prefix/include/rft.h")

# The tree is moved for this: the targets are found from where they lie.
with_cmake() {
    cmake -S "$smoke" -B "$work/cmake" "-DCMAKE_PREFIX_PATH=$1$prefix" && cmake --build "$work/cmake"
}
if [ "$languages" = 'c cpp' ] && scripts/need.sh --optional 'the CMake package' cmake; then
    mv "$stage" "$stage-moved"
    done=0
    with_cmake "$stage-moved" >"$work/log" 2>&1 || done=$?
    if [ $done = 0 ]; then
        for language in $languages; do
            runs 1 "$work/cmake/smoke-$language"
            runs 0 "$work/cmake/smoke-$language-static"
        done
    fi
    mv "$stage-moved" "$stage"
    [ $done = 0 ] || { cat "$work/log"; fail 'CMake'; }

    mkdir "$work/find"
    printf 'cmake_minimum_required(VERSION 3.13)\nproject(find C)\nfind_package(rft ${WANTED} REQUIRED)\n' \
        >"$work/find/CMakeLists.txt"
    for wanted in "$version" "${version%.*}" 0.0.1 99.0; do
        found=1
        cmake -S "$work/find" -B "$work/found" -DWANTED="$wanted" "-DCMAKE_PREFIX_PATH=$stage$prefix" \
            >"$work/log" 2>&1 || found=0
        case $wanted in
        "${version%.*}"*) [ $found = 1 ] || { cat "$work/log"; fail "find_package(rft $wanted) finds nothing"; } ;;
        *) [ $found = 0 ] || fail "find_package(rft $wanted) finds $version" ;;
        esac
    done
fi

export PKG_CONFIG_LIBDIR="$stage$libdir/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$stage" LD_LIBRARY_PATH="$stage$libdir"
[ "$(pkg-config --modversion rft)" = "$version" ] || fail 'rft.pc has another version than rft.h'
compile() {
    case $1 in
    c) "${CC:-cc}" -std=c99 -o "$work/smoke" "$smoke/smoke.c" $2 ;;
    cpp) "${CXX:-c++}" -std=c++17 -o "$work/smoke" "$smoke/smoke.cpp" $2 ;;
    esac
}
for language in $languages; do
    compile $language "$(pkg-config --cflags --libs rft)"
    runs 1 "$work/smoke"
done
rm -f "$stage$libdir"/librft.so*
for language in $languages; do
    compile $language "$(pkg-config --cflags --libs --static rft)"
    runs 0 "$work/smoke"
done
program=$stage$prefix/bin/rft
[ ! -x "$program" ] || "$program" log verify "$work/run/smoke.data"
echo "test-install: ok: rft $version in $languages"
