#!/bin/sh
# Installs by apt-get what Nestling needs and this computer lacks, and first tells what.
# If nothing is missing, it is silent and quick.
#
# usage: tools/deps.sh [build] [bochs] [qemu] [window] [gdb] [iso] [plots] [drawings] [tests]
#        all but window and drawings by default

set -eu

python=${PYTHON:-/usr/bin/python3}

# Each line is a need: its group, how to find out whether it is met, and the Debian package that meets it.
# command: a program in PATH; file: a path or pattern; module: a module of Python.
needs() {
	compiler_need
	gdb_need
	cat <<-EOF
	build command:$python            python3
	build command:cpio               cpio
	bochs command:bochs              bochs
	bochs file:/usr/lib/*/bochs/plugins/libbx_term_gui.so bochs-term
	bochs file:/usr/share/bochs/BIOS-bochs-latest bochsbios
	qemu  command:qemu-system-x86_64 qemu-system-x86
	window file:/usr/lib/*/qemu/ui-gtk.so qemu-system-gui
	iso   command:grub-mkrescue      grub-common
	iso   file:/usr/lib/grub/i386-pc/multiboot2.mod grub-pc-bin
	iso   command:xorriso            xorriso
	iso   command:mformat            mtools
	plots command:gnuplot            gnuplot-nox
	drawings command:dot             graphviz
	tests command:gcc                gcc
	tests file:/usr/include/stdio.h  libc6-dev
	tests file:/usr/include/cmocka.h libcmocka-dev
	tests file:/usr/include/Zydis/Zydis.h libzydis-dev
	tests module:pytest              python3-pytest
	tests module:xdist               python3-pytest-xdist
	tests module:pexpect             python3-pexpect
	EOF
}

# A compiler that the caller names (make CC=... or GCCPREFIX=...) needs no package.
compiler_need() {
	if [ -n "${CC:-}${GCCPREFIX:-}" ]; then
		return
	elif [ "$(uname -m)" = x86_64 ]; then
		echo build command:gcc gcc
		echo build file:/usr/include/limits.h libc6-dev # gcc's own limits.h includes it
	else
		echo build command:x86_64-linux-gnu-gcc gcc-x86-64-linux-gnu
		echo build file:/usr/x86_64-linux-gnu/include/limits.h libc6-dev-amd64-cross
	fi
}

# Debian's gdb knows only the computer's own architecture.
gdb_need() {
	if [ "$(uname -m)" = x86_64 ]; then
		echo gdb command:gdb gdb
	else
		echo gdb command:gdb-multiarch gdb-multiarch
	fi
}

present() {
	case $1 in
	command:*) command -v "${1#command:}" >/dev/null ;;
	file:*) ls ${1#file:} >/dev/null 2>&1 ;;
	module:*) "$python" -c "import importlib.util as i
raise SystemExit(not i.find_spec('${1#module:}'))" 2>/dev/null ;;
	esac
}

# Prints the packages of the groups in $* whose needs are not met, each once.
missing() {
	needs | while read -r group check package; do
		case " $* " in
		*" $group "*) present "$check" || echo "$package" ;;
		esac
	done | sort -u | tr '\n' ' '
}

[ $# -gt 0 ] || set -- build bochs qemu gdb iso plots tests
packages=$(missing "$@")
[ -n "$packages" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "deps: missing, by their names in Debian: $packages" >&2
	echo "deps: there is no apt-get here: install them with your system's package manager" >&2
	exit 1
fi
as_root=
if [ "$(id -u)" != 0 ]; then
	as_root=sudo
	if ! command -v sudo >/dev/null; then
		echo "deps: run this as root: apt-get install $packages" >&2
		exit 1
	fi
fi

echo "deps: installing with apt-get: $packages"
$as_root apt-get -qq update
$as_root env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes \
	apt-get -qq install -y --no-install-recommends $packages >/dev/null
still=$(missing "$@")
if [ -n "$still" ]; then
	echo "deps: installed, but not to be found: $still" >&2
	exit 1
fi
