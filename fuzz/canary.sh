#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does the fuzzing find faults? Plants one fault after another in a copy of the tree and fuzzes the target that ought to
# find it, from the corpus, for at most TIME seconds (60). Exit status 1 when one is not found.
#
#   fuzz/canary.sh [NAME...]      all canaries, or those named; $TMPDIR has to have some 100 MB
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
time=${TIME:-60}
work=$(mktemp -d "${TMPDIR:-/tmp}/hopper-canary.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT INT TERM
missed=0
planted=0
wanted=" $* "

# plant NAME TARGET FILE SED-SCRIPT: the script has to change the file, or the canary itself is dead.
plant() {
    [ "$wanted" = '  ' ] || case $wanted in *" $1 "*) ;; *) return ;; esac
    planted=$((planted + 1))
    cp "$top/$3" "$work/tree/$3"
    sed -i "$4" "$work/tree/$3"
    if cmp -s "$top/$3" "$work/tree/$3"; then
        echo "$1: the canary is dead: its place in $3 is not there any more"
        missed=$((missed + 1))
        return
    fi
    rm -rf "$work/build/libfuzzer/work"
    if ! FUZZ_BUILD="$work/build" sh "$work/tree/fuzz/build.sh" libfuzzer "$2" > "$work/log" 2>&1; then
        echo "$1: does not compile"
        cat "$work/log"
        missed=$((missed + 1))
    elif TIME=$time FUZZ_BUILD="$work/build" sh "$work/tree/fuzz/build.sh" run libfuzzer "$2" > "$work/log" 2>&1; then
        echo "$1: NOT FOUND by $2 in $time seconds"
        missed=$((missed + 1))
    else
        echo "$1: found by $2: $(grep -m 1 -E 'fuzz/fuzz_[a-z]*\.c:[0-9]+:|runtime error|ERROR: |timeout' "$work/build/libfuzzer/work/$2.log" |
            sed 's/.*\(fuzz_[a-z]*\.c\)/\1/')"
    fi
    cp "$top/$3" "$work/tree/$3"
}

mkdir -p "$work/tree/tests"
cp -R "$top/configure.ac" "$top/include" "$top/lib" "$top/cli" "$top/fuzz" "$work/tree"
cp -R "$top/tests/support" "$work/tree/tests"

# the splitter
plant lines-cut-forgotten lines cli/lines.c 's/ln->is_cut *= true;/ln->is_cut = false;/'
plant lines-scanned-too-far lines cli/lines.c 's/ln->scanned -= ln->start;/;/'
plant lines-last-byte-lost lines cli/lines.c 's/give(ln, endp, len, ln->end)/give(ln, endp, len - 1, ln->end)/'
plant lines-window-too-far lines cli/lines.c 's/ln->end - at >= WINDOW_BYTES/ln->end - at + 1 >= WINDOW_BYTES/'
plant lines-long-by-one lines cli/lines.c 's/if (len > ln->options.record_bytes_max ||/if (len > ln->options.record_bytes_max + 1 ||/'
# the decoders
plant frame-short-header frame lib/frame.c 's/len >= HPR_FRAME_HEADER_BYTES &&/len >= 8 \&\&/'
plant frame-place-ignored frame lib/frame.c 's/hpr_put_u64(where + HPR_CHANNEL_ID_BYTES + 8, place->offset);/hpr_put_u64(where + HPR_CHANNEL_ID_BYTES + 8, 0);/'
plant frame-seq-wraps frame lib/frame.c 's/h->first_seq > UINT64_MAX - h->records/h->first_seq == 0/'
plant frame-record-too-long frame lib/record.c 's/bytes > len - header/bytes > len/'
plant frame-inflate-rest-taken frame lib/codec_zlib.c 's/return i->z.avail_in == 0 \&\& i->z.avail_out == 0/return i->z.avail_out == 0/'
plant frame-isal-rest-taken frame lib/codec_isal.c 's/\&\& s->avail_out == 0 ? HPR_INFLATE_DONE/? HPR_INFLATE_DONE/'
plant frame-libdeflate-rest-taken frame lib/codec_libdeflate.c 's/ \&\& used == len//'
plant frame-isal-pieces-forgotten frame lib/codec_isal.c 's/is_last \&\& !i->is_begun ? isal/is_last ? isal/'
# the way back from disk
plant payload-crc-ignored queue_file lib/replay.c 's/return crc == h->payload_crc ? LOAD_OK/return crc != 0 ? LOAD_OK/'
plant next-frame-not-found queue_file lib/replay.c 's/rp->offset = at + mark - 4;/rp->offset = at + mark;/'
plant seq-beyond-the-end queue_file lib/replay.c 's/if (h->first_seq + h->records > .* || !raw)/if (!raw)/'
plant stream-offset-believed queue_file lib/dir_remove.c 's/ || dir->unwanted_offset > dir->written//'
plant gap-one-short queue_file lib/fetch.c 's/lost  *= missing - oldest - newest;/lost = missing - oldest - newest - (missing > 3);/'
# the channel
plant cut-short-file-stays ops lib/dir_remove.c 's/if (dir->fresh.fd >= 0 || dir->fresh.number == 0)/if (true)/'
plant disk-budget-exceeded ops lib/dir.c 's/hpr_dir_used_locked(dir) > dir->disk_bytes - bytes/hpr_dir_used_locked(dir) > dir->disk_bytes/'
plant refusals-miscounted ops lib/admit.c 's/ch->refused += st == HOPPER_EFULL || /ch->refused += /'
plant items-leak-at-close ops lib/receiver.c 's/type->free(type->ctx, entry.item);/;/'
plant acknowledged-too-early ops lib/receiver.c 's/acknowledged + rcv->handed_out,/acknowledged + rcv->handed_out + (rcv->handed_out > 40),/'
plant run-left-too-early ops lib/receiver.c 's/if (run->records == 0) hpr_deque_leave_run/hpr_deque_leave_run/'
plant unpack-failure-not-counted ops lib/receiver.c 's/hpr_fetch_count_lost(.*);/;/'

# the directory
plant strangers-note-removed dir lib/dir_open.c 's/ \&\& hpr_frame_is_beginning(bytes, got)//'
plant numbers-run-over dir lib/dir_open.c 's/if (number < HPR_NUMBER_FOREIGN_MAX)/if (number < UINT64_MAX)/'
plant links-followed dir lib/dir_open.c 's/ || st.links != 1 || / || /'
plant surviving-queue-removed dir lib/dir_open.c 's/header.survive != HOPPER_SURVIVE_NOTHING/header.survive > 2/'

# what a channel that survives finds
plant largest-frame-believed survive lib/recover.c 's/s->has_claims |= may_be_large(s, look);/s->found->raw_max = hpr_max_u64(s->found->raw_max, look->header.raw_max);/'
plant ring-longer-than-it-is survive lib/memory_old.c 's/old->published - old->place.start <= old->shape.ring_bytes/true/'
plant padding-without-an-entry survive lib/memory_old.c 's/if (is_padded) continue;/if (is_padded) { sum->bytes = at; continue; }/'
plant numbers-in-the-ring-forgotten survive lib/restore.c 's/if (entry.kind == HPR_PLACE_NUMBERED)$/if (entry.kind == HPR_PLACE_PAD)/'
plant position-not-summed-up survive lib/memory_old.c 's/return sum == p->seq \&\& /return /'

echo "$planted planted, $missed not found"
[ $planted -gt 0 ] && [ $missed -eq 0 ]
