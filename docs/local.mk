# SPDX-License-Identifier: MIT
#
# Documents that need no building. hopper-cat.1 belongs to cli/.

EXTRA_DIST += %D%/architecture.md %D%/durability.md %D%/format.md

dist_man_MANS += %D%/libhopper.3
