# SPDX-License-Identifier: MIT
#
# Small whole programs to start from, compiled and run by `make check`; and the demonstration behind `./setup demo`.

check_PROGRAMS += %D%/batch_epoll %D%/overload %D%/send_receive %D%/typed_items
%C%_batch_epoll_LDADD = $(HOPPER_LIB)
%C%_overload_LDADD = $(HOPPER_LIB)
%C%_send_receive_LDADD = $(HOPPER_LIB)
%C%_typed_items_CPPFLAGS = $(AM_CPPFLAGS) $(MSGPACK_CFLAGS)
%C%_typed_items_LDADD = $(HOPPER_LIB) $(MSGPACK_LIBS)

dist_check_SCRIPTS += %D%/examples.tap
TESTS += %D%/examples.tap
EXTRA_DIST += %D%/demo.sh
