# SPDX-License-Identifier: MIT
#
# What bench/ finds to measure beside libhopper. Nothing here is needed to build, test or install the library, so nothing
# that is missing is an error: its peer is left out, and `make bench` says so with the name of Debian's package.

# HOPPER_BENCH_MODULE(NAME, MODULE, WHAT, PACKAGE)
# The pkg-config module MODULE: BENCH_NAME_CFLAGS, BENCH_NAME_LIBS and the conditional BENCH_HAVE_NAME.
AC_DEFUN([HOPPER_BENCH_MODULE], [
  PKG_CHECK_MODULES([BENCH_$1], [$2], [hopper_bench_have=yes], [hopper_bench_have=no])
  AM_CONDITIONAL([BENCH_HAVE_$1], [test "x$hopper_bench_have" = xyes])
  HOPPER_BENCH_NOTE([$3], [$4])
])

# HOPPER_BENCH_NOTE(WHAT, PACKAGE)
# One line for those that are missing, or one for those that are there.
AC_DEFUN([HOPPER_BENCH_NOTE], [
  AS_IF([test "x$hopper_bench_have" = xyes], [BENCH_FOUND="$BENCH_FOUND $1,"],
    [BENCH_LEFT_OUT="$BENCH_LEFT_OUT $1 ($2),"])
])

# HOPPER_BENCH_TOOL(VARIABLE, TOOLS, WHAT, PACKAGE)
# The first of TOOLS that is there.
AC_DEFUN([HOPPER_BENCH_TOOL], [
  AC_CHECK_PROGS([$1], [$2])
  AS_IF([test -n "$$1"], [hopper_bench_have=yes], [hopper_bench_have=no])
  AM_CONDITIONAL([BENCH_HAVE_$1], [test "x$hopper_bench_have" = xyes])
  HOPPER_BENCH_NOTE([$3], [$4])
])

AC_DEFUN([HOPPER_BENCH_PEERS], [
  HOPPER_BENCH_MODULE([GLIB], [glib-2.0], [GAsyncQueue], [libglib2.0-dev])
  HOPPER_BENCH_MODULE([ZMQ], [libzmq], [ZeroMQ], [libzmq3-dev])
  HOPPER_BENCH_MODULE([URCU], [liburcu-cds], [wfcqueue of liburcu], [liburcu-dev])
  HOPPER_BENCH_MODULE([CK], [ck], [ck_ring], [libck-dev])
  HOPPER_BENCH_MODULE([LMDB], [lmdb], [LMDB], [liblmdb-dev])
  HOPPER_BENCH_MODULE([ROCKSDB], [rocksdb], [RocksDB], [librocksdb-dev])
  HOPPER_BENCH_MODULE([SQLITE], [sqlite3], [SQLite], [libsqlite3-dev])
  HOPPER_BENCH_TOOL([RUSTC], [rustc], [channels of Rust], [rustc])
  HOPPER_BENCH_TOOL([GO], [go], [channels of Go], [golang-go])
  HOPPER_BENCH_TOOL([PV], [pv], [pv], [pv])
  HOPPER_BENCH_TOOL([MBUFFER], [mbuffer], [mbuffer], [mbuffer])
  HOPPER_BENCH_TOOL([BUFFER], [buffer], [buffer], [buffer])

  dnl Headers only, in C++. The compiler is asked for here alone, so that the library's own configuration stays C.
  AC_CHECK_PROGS([BENCH_CXX], [g++ clang++ c++])
  AC_MSG_CHECKING([for moodycamel::ConcurrentQueue])
  hopper_bench_have=no
  BENCH_QUEUE_CFLAGS=
  AS_IF([test -n "$BENCH_CXX"], [
    for hopper_bench_dir in concurrentqueue/moodycamel concurrentqueue; do
      AS_IF([echo "#include <$hopper_bench_dir/blockingconcurrentqueue.h>" |
             $BENCH_CXX -std=c++17 -x c++ -fsyntax-only - 2>/dev/null >/dev/null], [
        hopper_bench_have=yes
        BENCH_QUEUE_CFLAGS="-DBENCH_QUEUE='<$hopper_bench_dir/blockingconcurrentqueue.h>'"
        break])
    done])
  AC_MSG_RESULT([$hopper_bench_have])
  AC_SUBST([BENCH_QUEUE_CFLAGS])
  AM_CONDITIONAL([BENCH_HAVE_QUEUE], [test "x$hopper_bench_have" = xyes])
  HOPPER_BENCH_NOTE([moodycamel::ConcurrentQueue], [g++ libconcurrentqueue-dev])

  dnl The crates as Debian ships them: sources, one folder for each version.
  AC_ARG_VAR([BENCH_CRATES], [folder with the sources of Rust crates for bench/ (/usr/share/cargo/registry)])
  AS_IF([test -z "$BENCH_CRATES"], [BENCH_CRATES=/usr/share/cargo/registry])
  AC_MSG_CHECKING([for the crate crossbeam-channel])
  hopper_bench_have=no
  AS_IF([test -n "$RUSTC" && ls -d "$BENCH_CRATES"/crossbeam-channel-* "$BENCH_CRATES"/crossbeam-utils-* \
         "$BENCH_CRATES"/cfg-if-* >/dev/null 2>&1], [hopper_bench_have=yes])
  AC_MSG_RESULT([$hopper_bench_have])
  AM_CONDITIONAL([BENCH_HAVE_CROSSBEAM], [test "x$hopper_bench_have" = xyes])
  HOPPER_BENCH_NOTE([crossbeam channels], [rustc librust-crossbeam-channel-dev])

  AC_SUBST([BENCH_LEFT_OUT])
])
