# SPDX-License-Identifier: MIT
#
# Benchmarks: peers that keep records on disk, and bare codecs, each built only where its package is. See local.mk.

BENCH_MAYBE += \
	%D%/bench-hopper-other %D%/bench-hopper-other-2 %D%/bench-libdeflate %D%/bench-isal %D%/bench-lmdb %D%/bench-rocksdb %D%/bench-sqlite

EXTRA_DIST += \
	%D%/peers/store.h %D%/peers/libdeflate.c %D%/peers/isal.c %D%/peers/lmdb.c %D%/peers/rocksdb.c %D%/peers/sqlite.c

# One or two builds with other deflate engines, so that all stand in one table:
# make bench BENCH_OTHER='/its/build/directory /another/one'
BENCH_OTHER =
.PHONY: %D%/bench-hopper-other %D%/bench-hopper-other-2
%D%/bench-hopper-other:
	@set -- $(BENCH_OTHER); $(BENCH_LINK) "$$1"
%D%/bench-hopper-other-2:
	@set -- $(BENCH_OTHER); $(BENCH_LINK) "$$2"
BENCH_LINK = \
	link() { rm -f $@; test -z "$$1" || { test -x "$$1/$(BENCH_HOPPER)" && ln -s "$$1/$(BENCH_HOPPER)" $@; }; }; link
BENCH_HOPPER = %D%/bench-hopper$(EXEEXT)

# try MODULE PACKAGE OUTPUT SOURCE...: build OUTPUT when pkg-config knows MODULE, else say which package has it.
BENCH_TRY = \
	try() { \
	  module=$$1; package=$$2; output=$$3; shift 3; \
	  if $(PKG_CONFIG) --exists "$$module"; then \
	    echo "  CC       $$output"; \
	    $(CC) -std=c11 $(DEFS) $(CPPFLAGS) $(CFLAGS) -I$(srcdir)/%D% -I$(srcdir)/%D%/peers \
	      `$(PKG_CONFIG) --cflags "$$module"` -pthread -o "$$output" "$$@" $(LDFLAGS) \
	      `$(PKG_CONFIG) --libs "$$module"`; \
	  else rm -f "$$output"; echo "bench: no $$module (Debian: $$package): without its rows" >&2; fi; \
	}; try

BENCH_STORE = $(srcdir)/%D%/peers/commit.c $(BENCH_COMMON)
BENCH_STORE_DEPS = $(BENCH_STORE) $(srcdir)/%D%/bench.h $(srcdir)/%D%/peers/store.h $(srcdir)/%D%/peers/commit.h
BENCH_CODEC_DEPS = $(BENCH_COMMON) $(srcdir)/%D%/bench.h $(srcdir)/%D%/peers/codec.h

%D%/bench-libdeflate: $(srcdir)/%D%/peers/libdeflate.c $(BENCH_CODEC_DEPS)
	@$(BENCH_TRY) libdeflate libdeflate-dev $@ $(srcdir)/%D%/peers/libdeflate.c $(BENCH_COMMON)

%D%/bench-isal: $(srcdir)/%D%/peers/isal.c $(BENCH_CODEC_DEPS)
	@$(BENCH_TRY) libisal libisal-dev $@ $(srcdir)/%D%/peers/isal.c $(BENCH_COMMON)

%D%/bench-lmdb: $(srcdir)/%D%/peers/lmdb.c $(BENCH_STORE_DEPS)
	@$(BENCH_TRY) lmdb liblmdb-dev $@ $(srcdir)/%D%/peers/lmdb.c $(BENCH_STORE)

%D%/bench-rocksdb: $(srcdir)/%D%/peers/rocksdb.c $(BENCH_STORE_DEPS)
	@$(BENCH_TRY) rocksdb librocksdb-dev $@ $(srcdir)/%D%/peers/rocksdb.c $(BENCH_STORE)

%D%/bench-sqlite: $(srcdir)/%D%/peers/sqlite.c $(BENCH_STORE_DEPS)
	@$(BENCH_TRY) sqlite3 libsqlite3-dev $@ $(srcdir)/%D%/peers/sqlite.c $(BENCH_STORE)
