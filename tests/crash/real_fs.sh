#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The crash scenarios on real ext4 and xfs: images on loop devices, cut by the shutdown ioctl, and an ext4 image on an xfs
# that is cloned while it is written. For each a control in which nothing is synced, and which has to lose something. Needs
# root, loop devices, mkfs.ext4 and mkfs.xfs; what is missing is skipped, and said.
#
#   HOPPER_REALFS_ROUNDS=N   rounds of each kind (nightly: 500)
#   HOPPER_TEST_SEED=N       the same choices again
set -u
builddir=${builddir:-$PWD}
program=$builddir/tests/crash/real_fs
rounds=${HOPPER_REALFS_ROUNDS:-12}
seed=${HOPPER_TEST_SEED:-$(date +%s)}
ran=0 failed=0

skip() { echo "real_fs.sh: SKIPPED: $1"; [ "${2:-}" ] || exit 77; }

[ "$(id -u)" = 0 ] || skip 'needs root'
[ -x "$program" ] || { echo "real_fs.sh: $program is not built" >&2; exit 99; }
command -v losetup >/dev/null && losetup -f >/dev/null 2>&1 || skip 'no loop devices'
unshare -m true 2>/dev/null || skip 'no mount namespaces'
if [ "${1:-}" != --inside ]; then # mounts of our own: they are gone with us, however we end
    exec unshare -m --propagation private "$BASH" "$0" --inside
fi
work=$(mktemp -d) || exit 99
loops=()

clean()
{
    local loop

    umount -q "$work"/* 2>/dev/null
    for loop in "${loops[@]}"; do losetup -d "$loop" 2>/dev/null; done
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

judge() # NAME STATUS
{
    ran=$((ran + 1))
    [ "$2" = 0 ] && return
    failed=$((failed + 1))
    echo "real_fs.sh: FAIL: $1 ended with status $2"
}

cuts() # FSTYPE MEGABYTES MKFS...
{
    local type=$1 megabytes=$2 loop
    shift 2
    command -v "$1" >/dev/null || { skip "$type: no $1" on; return; }
    truncate -s "${megabytes}M" "$work/$type.img" && "$@" "$work/$type.img" >/dev/null 2>&1 || { skip "$type: mkfs failed" on; return; }
    loop=$(losetup -f --show "$work/$type.img") || { skip "$type: losetup failed" on; return; }
    loops+=("$loop")
    mkdir "$work/$type"
    mount -t "$type" "$loop" "$work/$type" && umount "$work/$type" || { skip "$type: cannot be mounted" on; return; }
    "$program" shutdown "$loop" "$work/$type" "$type" "$rounds" "$seed"
    judge "$type, shutdown" $?
    "$program" shutdown "$loop" "$work/$type" "$type" 6 "$seed" no-sync
    judge "$type, shutdown, control" $?
    losetup -d "$loop"
}

snapshots()
{
    command -v mkfs.xfs >/dev/null || { skip 'snapshots: no mkfs.xfs' on; return; }
    mkdir "$work/base" "$work/clone"
    truncate -s 600M "$work/base.img" && mkfs.xfs -q -f -m reflink=1 "$work/base.img" >/dev/null 2>&1 || { skip 'snapshots: mkfs.xfs failed' on; return; }
    mount -o loop "$work/base.img" "$work/base" || { skip 'snapshots: xfs cannot be mounted' on; return; }
    for control in '' no-sync; do
        truncate -s 0 "$work/base/image"
        truncate -s 48M "$work/base/image" && mkfs.ext4 -qF "$work/base/image" || exit 99
        "$program" snapshot "$work/base/image" "$work/base/clone" "$work/clone" ext4 "$((rounds * 2))" "$seed" $control
        judge "snapshots ${control:-}" $?
    done
    umount "$work/base"
}

echo "real_fs.sh: HOPPER_TEST_SEED=$seed"
cuts ext4 48 mkfs.ext4 -qF
cuts xfs 300 mkfs.xfs -q -f
snapshots
[ "$ran" -gt 0 ] || exit 77
echo "real_fs.sh: $ran runs, $failed failed"
[ "$failed" = 0 ]
