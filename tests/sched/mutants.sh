#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Canaries in the library itself: each mutant below plants one fault into a copy of lib/, builds the scenarios with it
# and requires that the schedules of `make check` find it. Not part of `make check`, because each mutant costs a build:
#
#     make check TESTS= && builddir=$PWD $srcdir/tests/sched/mutants.sh [NAME...]
#
# SCENARIOS=PATTERN runs only the scenarios of such names, which is sooner done where it is known who has to find them.
# A mutant is a name, a file, a pattern and a replacement (perl, over the whole file). A pattern that no longer matches
# is an error: the list has to follow the library. `mutants.sh --patterns` builds nothing and looks only for that.
set -u
patterns_only=
[ "${1-}" != --patterns ] || { patterns_only=1 && shift; }
srcdir=${srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
builddir=${builddir:-$PWD}
CC=${CC:-cc}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

scheduler=$builddir/tests/sched/libsched.a
platform=$builddir/tests/support/.libs/libtestplatform.a
for needed in "$scheduler" "$platform" "$builddir"/tests/sched/sched_channel-rig.o; do
    [ "$patterns_only" ] || [ -e "$needed" ] || { echo "mutants.sh: $needed is not there; run \`make check TESTS=\` first" >&2; exit 2; }
done
wrapped='pthread_create pthread_join pthread_self pthread_setname_np sched_yield pthread_mutex_init pthread_mutex_destroy
    pthread_mutex_lock pthread_mutex_trylock pthread_mutex_unlock pthread_cond_init pthread_cond_destroy
    pthread_cond_wait pthread_cond_timedwait pthread_cond_clockwait pthread_cond_signal pthread_cond_broadcast
    clock_gettime __assert_fail abort malloc calloc realloc free'
wraps=''
for name in $wrapped; do wraps="$wraps -Wl,--wrap=$name"; done

# the scenarios were linked with what configure found
deflate=$(sed -n 's/^DEFLATE_LIBS = //p' "$builddir/Makefile" 2>/dev/null)
case $deflate in *-lisal*) CC="$CC -DHPR_ISAL" ;; esac
case $deflate in *-ldeflate*) CC="$CC -DHPR_LIBDEFLATE" ;; esac

compile()  # FILE: into $work/NAME.o
{
    # shellcheck disable=SC2086 # $locks may be nothing
    $CC $locks -std=gnu11 -O2 -w -fsanitize=thread -DHPR_POLL_ROUNDS=1 -DHPR_AHEAD_ROUNDS=1 -DHPR_DEBUG -I"$srcdir/include" -I"$builddir/include" -I"$work/lib" \
        -c "$1" -o "$work/$(basename "$1" .c).o"
}

link()
{
    if [ "$program" = lock ]; then
        # shellcheck disable=SC2086 # $wraps is a list
        $CC -o "$work/sched_mutant" "$builddir"/tests/sched/sched_lock-lock.o "$work"/sync_futex.o \
            "$work"/futex_model.o "$work"/scenarios_lock.o "$scheduler" $wraps -pthread
        return
    fi
    # shellcheck disable=SC2086 # $wraps and $deflate are lists
    $CC -o "$work/sched_mutant" "$builddir"/tests/sched/sched_channel-*.o "$work"/*.o "$platform" "$scheduler" $wraps \
        -pthread $deflate -lmsgpackc
}

reset()
{
    rm -rf "$work/lib"
    cp -r "$work/original" "$work/lib"
}

cp -r "$srcdir/lib" "$work/original"
program=channel locks='' only=${SCENARIOS:+--scenario=$SCENARIOS}
found=0 missed=0 wanted=" $* "

mutant()  # NAME FILE PATTERN REPLACEMENT
{
    local name=$1 file=$work/lib/$2 line
    [ "$wanted" = '  ' ] || [[ $wanted == *" $name "* ]] || return 0
    reset
    PATTERN=$3 REPLACEMENT=$4 perl -0pi -e 's/$ENV{PATTERN}/$ENV{REPLACEMENT} =~ s,\\n,\n,gr/se' "$file"
    if cmp -s "$file" "$work/original/$2"; then
        echo "mutants.sh: $name: the pattern is not in lib/$2" >&2
        exit 2
    fi
    [ ! "$patterns_only" ] || return 0
    # a header changes them all
    if [ "$program" = lock ]; then
        for f in "$work"/lib/sync_futex.c "$srcdir"/tests/sched/{futex_model,scenarios_lock}.c; do
            compile "$f" || exit 2
        done
    elif [[ $2 == *.h ]]; then for f in "$work"/lib/*.c; do compile "$f"; done; else compile "$file"; fi || exit 2
    link || exit 2
    # shellcheck disable=SC2086 # $only may be nothing
    "$work/sched_mutant" $only 2>&1 | awk '{ print } /^not ok/ { exit }' >"$work/log"
    line=$(grep -m1 '^not ok' "$work/log")
    if [ -z "$line" ] && ! grep -q '^# [0-9]* of [0-9]* failed' "$work/log"; then
        echo "mutants.sh: $name: the scenarios did not run to their end" >&2
        tail -n 3 "$work/log" >&2
        exit 2
    elif [ -n "$line" ]; then
        found=$((found + 1))
        echo "ok - $name: ${line#not ok * - }"
    else
        missed=$((missed + 1))
        echo "not ok - $name: no schedule found it"
    fi
    if [[ $2 == *.h ]]; then
        reset
        for f in "$work"/lib/*.c; do compile "$f"; done
    else
        compile "$work/original/$2"
    fi
}

reset
[ "$patterns_only" ] || for f in "$work"/lib/*.c; do compile "$f" || exit 2; done
[ "$patterns_only" ] || link || exit 2
if [ ! "$patterns_only" ] && [ "$wanted" = '  ' ] && ! "$work/sched_mutant" >"$work/log" 2>&1; then
    grep '^not ok' "$work/log"
    echo "mutants.sh: the library itself fails" >&2
    exit 2
fi

# ---- the receiver sleeps
mutant wake_unlocked deque.c \
    'hpr_mutex_lock\(&dq->front\);(\s+attention = atomic_exchange.*?)hpr_mutex_unlock\(&dq->front\);' \
    'attention = atomic_exchange(&dq->attention, 0);\n if (attention & HPR_ATTENTION_SLEEPS) hpr_cond_broadcast(&dq->not_empty);\n if (attention & HPR_ATTENTION_EVENT) (void)dq->io->event_set(dq->io->ctx, dq->event_fd);'
mutant sleep_says_so_once deque.c \
    'for \(;;\) \{(\s+uint64_t wait_ns;\s+)atomic_fetch_or\(&dq->attention, HPR_ATTENTION_SLEEPS\);' \
    'atomic_fetch_or(&dq->attention, HPR_ATTENTION_SLEEPS);\n for (;;) { uint64_t wait_ns;'
mutant sleep_no_second_look deque.c \
    'if \(\(ready = is_ready\(dq\)\) \|\| \(wait_ns = hpr_deque_time_left\(dq, deadline_ns\)\) == 0\)\s+break;\s+hpr_cond_wait\(&dq->not_empty, &dq->front, wait_ns\);' \
    'if ((wait_ns = hpr_deque_time_left(dq, deadline_ns)) == 0) { ready = is_ready(dq); break; }\n hpr_cond_wait(&dq->not_empty, &dq->front, wait_ns);\n if ((ready = is_ready(dq))) break;'
mutant sleep_ignores_aside deque.c \
    'return hpr_deque_has_entry\(dq\) \|\| atomic_load\(&dq->aside\) != 0;' \
    'return hpr_deque_has_entry(dq);'
mutant wake_looks_too_early admit.c \
    'hpr_channel_publish_locked\(ch\);\s+hpr_channel_update_aside_locked\(ch\);\s+hpr_mutex_unlock\(&ch->deque.back\);\s+hpr_deque_wake\(&ch->deque\);\s+\*acceptedp = done;' \
    'hpr_deque_wake(&ch->deque); hpr_channel_publish_locked(ch); hpr_channel_update_aside_locked(ch); hpr_mutex_unlock(&ch->deque.back); *acceptedp = done;'
mutant wake_looks_too_early_for_one admit.c \
    'hpr_channel_publish_locked\(ch\);(\s+\} else \{\s+st = send_record_locked.*?)hpr_mutex_unlock\(&ch->deque.back\);\s+hpr_deque_wake\(&ch->deque\);' \
    'hpr_deque_wake(&ch->deque); hpr_channel_publish_locked(ch);} else {st = send_record_locked(ch, data, len, deadline_ns, err); if (st == HOPPER_OK) *seqp = ch->next_seq - 1; hpr_channel_publish_locked(ch); hpr_channel_update_aside_locked(ch); hpr_deque_wake(&ch->deque); } hpr_mutex_unlock(&ch->deque.back);'
mutant wake_looks_too_early_for_a_plain_one admit.c \
    'count_plain_locked\(ch, 1, len\);(\s+if \(HPR_LIKELY\(!ch->memory.header.*?)if \(HPR_UNLIKELY\(hpr_deque_has_sleeper\(&ch->deque\)\)\) return' \
    'count_plain_locked(ch, 1, len); const bool sleeps = hpr_deque_has_sleeper(&ch->deque); if (!ch->memory.header) hpr_deque_publish_new_locked(&ch->deque); else hpr_channel_publish_locked(ch); hpr_mutex_unlock(&ch->deque.back); if (sleeps) return'
mutant plain_one_is_not_published admit.c \
    'hpr_deque_publish_new_locked\(&ch->deque\);' \
    ';'
mutant wake_forgets_event deque.c \
    'if \(attention & HPR_ATTENTION_EVENT\)' \
    'if ((attention & HPR_ATTENTION_EVENT) && !(attention & HPR_ATTENTION_SLEEPS) && 0)'
mutant arm_no_second_look deque.c \
    'if \(\(ready = is_ready\(dq\)\)\) \{\s+atomic_fetch_and\(&dq->attention, ~HPR_ATTENTION_EVENT\);' \
    'if ((ready = false)) { atomic_fetch_and(&dq->attention, ~HPR_ATTENTION_EVENT);'
mutant last_sender_is_silent sender.c \
    'hpr_deque_wake\(&ch->deque\); /\* before' \
    '/* before'
mutant end_is_not_aside channel.c \
    'ch->overflow > 0 \|\| ch->tail_gap > 0 \|\| ch->senders == 0' \
    'ch->overflow > 0 || ch->tail_gap > 0'

# ---- senders wait for room
mutant room_no_second_look deque.c \
    'if \(wanted > seen && hpr_deque_freed\(dq\) >= wanted\)' \
    'if (0)'
mutant room_wake_unlocked deque.c \
    'hpr_mutex_lock\(&dq->back\);\s+atomic_store\(&dq->wake_at, UINT64_MAX\);\s+hpr_cond_broadcast\(&dq->room\);\s+hpr_mutex_unlock\(&dq->back\);' \
    'atomic_store(&dq->wake_at, UINT64_MAX); hpr_cond_broadcast(&dq->room);'
mutant room_is_never_wished deque.c \
    'atomic_store\(&dq->wake_at, hpr_min_u64\(wanted, others\)\);' \
    'if (others == UINT64_MAX) atomic_store(&dq->wake_at, wanted + limit);'
mutant receiver_closes_silently receiver.c \
    'hpr_cond_broadcast\(&ch->deque.room\);\s+hpr_mutex_unlock\(&ch->deque.back\);\s+free_items' \
    'hpr_mutex_unlock(&ch->deque.back); free_items'
mutant full_waiters_wake_each_other admit.c \
    '\} while \(!has_changed && hpr_deque_time_left' \
    '} while (0 && !has_changed && hpr_deque_time_left'
mutant change_forgets_close admit.c \
    'has_changed = ch->is_refusing \|\| ' \
    'has_changed = '

# ---- order, and the way to disk and back
mutant claim_passes_the_ring fetch.c \
    'if \(hpr_deque_has_entry\(&ch->deque\)\) \{\s+/\* came while' \
    'if (0) { /* came while'
mutant exclusive_is_not admit.c \
    'if \(HPR_UNLIKELY\(ch->spill.is_exclusive\)\)\s+return HPR_WAIT;' \
    ''
mutant exclusive_ends_silently admit.c \
    '(note_overflow\(ch, send\);\s+)hpr_cond_broadcast\(sp->room\);\s+return res;' \
    'note_overflow(ch, send);\n return res;'
mutant block_freed_while_packed spill.c \
    'if \(block->is_packing\) \{\s+block->state = HPR_BLOCK_FREE;[^\n]*\n\s+return;\s+\}' \
    ''
mutant taken_while_written spill.c \
    'if \(block->state == HPR_BLOCK_WRITING\)\s+return HPR_WAIT;' \
    ''
mutant packed_after_taken spill.c \
    'if \(block->state == HPR_BLOCK_PACKING\) \{' \
    'if (1) {'
mutant failed_block_stays_writing spill.c \
    'block->state\s+= HPR_BLOCK_SEALED;(\s+sp->failed_errno\s+= failure)' \
    'sp->failed_errno = failure'
mutant reclaim_under_the_writer spill.c \
    '&& !sp->is_writing && hpr_spill_is_all_claimed_locked' \
    '&& hpr_spill_is_all_claimed_locked'
mutant dropped_while_read_is_room dir_remove.c \
    'if \(dir->is_read\) dir->held \+= ' \
    'if (0) dir->held += '
mutant dropped_again_while_read admit.c \
    'is_removing \|\| ch->dir.held > 0' \
    'is_removing'
mutant dropped_frame_comes fetch.c \
    'if \(st == HOPPER_OK && frame.first_seq < sp->drop_floor_seq\)' \
    'if (0)'
mutant receiver_cleans_silently fetch.c \
    'hpr_cond_broadcast\(&ch->deque.room\);\n\}' \
    '}'
mutant views_die_early receiver.c \
    'atomic_store_explicit\(&rcv->channel->delivered_seq' \
    'hpr_deque_give_back(&rcv->channel->deque); atomic_store_explicit(&rcv->channel->delivered_seq'
mutant one_view_dies_early receiver.c \
    'is_awaited = settle_memory\(rcv\);\s+put_plain_next\(rcv, rec, word\);' \
    'put_plain_next(rcv, rec, word); is_awaited = settle_memory(rcv);'
mutant one_is_never_given_back receiver.c \
    'is_awaited = settle_memory\(rcv\);' \
    'is_awaited = false;'
mutant one_is_given_back_silently receiver.c \
    'is_awaited = settle_memory\(rcv\);' \
    '(void)settle_memory(rcv); is_awaited = false;'
mutant plain_one_passes_the_overflow admit.c \
    '\(ch->overflow \| ch->tail_gap \| ch->aside_taken\) == 0' \
    '(ch->tail_gap | ch->aside_taken) == 0'
mutant plain_one_passes_the_big_one admit.c \
    ' &&\s+!ch->spill.is_exclusive\);' \
    ');'
mutant plain_room_is_old deque.c \
    'dq->weights \+= weight;\s+dq->plain_room = 0;' \
    'dq->weights += weight;'

# ---- sends that share a sync
mutant round_ends_silently commit.c \
    'hpr_cond_broadcast\(&c->done\);(\s+hpr_cond_broadcast\(&ch->deque.room\);)' \
    'hpr_cond_broadcast(&ch->deque.room);'
mutant round_is_run_by_two commit.c \
    'if \(c->is_running\) wait_for_round\(ch\);\s+else run_round\(ch\);' \
    'run_round(ch);'
mutant round_takes_late_ones_for_done commit.c \
    'if \(w->seq >= ch->next_seq && st == HOPPER_OK\)' \
    'if (0)'

# ---- the channel's own thread
mutant packer_is_never_woken spill.c \
    'hpr_cond_broadcast\(&sp->packer.wake\);' \
    ''
mutant packer_is_woken_for_nothing spill.c \
    'HPR_LIKELY\(!sp->packer.is_asleep\) \|\| !hpr_spill_needs_packer_locked\(sp\)' \
    '!sp->packer.is_asleep'
mutant packer_tries_without_end spill.c \
    '!\(p->has_failed && p->failed_gains == sp->gains\)' \
    'true'
mutant packer_tries_for_each_lane packer.c \
    'p->failed_gains = sp->gains;' \
    'p->failed_gains = sp->gains - 1;'
mutant packer_leaves_nothing_in_memory packer.c \
    'p->blocks_kept = blocks / 2;' \
    'p->blocks_kept = 0;'
mutant packer_ends_silently spill.c \
    'if \(res == HPR_WAIT\) return res;\s+hpr_cond_broadcast\(sp->room\);' \
    'if (res == HPR_WAIT) return res;'
mutant packer_is_not_told_of_the_end packer.c \
    'p->is_stopping = true;\s+hpr_cond_broadcast\(&p->wake\);' \
    'p->is_stopping = true;'
mutant packer_outlives_the_channel packer.c \
    'hpr_thread_join\(&p->thread\);' \
    ''

# ---- the thread that reads ahead
mutant ahead_is_never_woken ahead.c \
    'if \(a->is_asleep && has_work_locked\(a\)\) hpr_cond_broadcast\(&a->wake\);' \
    ''
mutant ahead_wakes_nobody ahead.c \
    'if \(a->is_waited_for\) hpr_cond_broadcast\(&a->done\);' \
    ''
mutant ahead_is_not_told_of_the_end ahead.c \
    'a->is_stopping = true;\s+atomic_fetch_add_explicit\(&a->asked, 1, memory_order_relaxed\);' \
    'a->is_stopping = true;'
mutant ahead_outlives_the_channel ahead.c \
    'hpr_thread_join\(&a->thread\);' \
    ''
mutant ahead_loads_into_held_slots ahead.c \
    'a->has_next && a->ready \+ a->is_held < HPR_AHEAD_SLOTS' \
    'a->has_next && a->ready < HPR_AHEAD_SLOTS'
mutant ahead_keeps_the_closed_file replay.c \
    'if \(rp->ahead && rp->fd >= 0\) hpr_ahead_forget\(rp->ahead\);' \
    ''
mutant ahead_does_not_wait_for_its_read ahead.c \
    'while \(a->is_at_work\) wait_locked\(a\);' \
    ''
mutant ahead_takes_its_own_whatever_it_is ahead.c \
    'a->own_is_ready && is_at\(&a->own.place, place\)' \
    'a->own_is_ready'
mutant ahead_does_not_tell_of_its_own ahead.c \
    'if \(slot == &a->own\) tell_thread_locked\(a\);' \
    'if (slot == &a->own) (void)0;'
mutant ahead_sleeps_after_a_change ahead.c \
    'if \(a->has_loaded && poll_locked\(a, &a->asked\)\) continue;' \
    'if (a->has_loaded) (void)poll_locked(a, &a->asked);'

mutant cleanup_wakes_nobody cleanup.c \
    'ch->spill.gains\+\+;\s+hpr_cond_broadcast\(&ch->deque.room\);' \
    ''
mutant sender_does_not_wait_for_cleanup admit.c \
    'if \(ch->dir.is_removing \|\| ' \
    'if ('
mutant cleanup_leaves_what_was_noted_meanwhile cleanup.c \
    'while \(dir->oldest > before && hpr_dir_has_unwanted_locked\(dir\)\);' \
    'while (dir->oldest == 0 && before > 0);'

# ---- channels that survive: the receiver makes room
mutant nobody_asks_for_room admit.c \
    'hpr_dir_want_room_locked\(&ch->dir, ch->spill.end_seq\);' \
    ''
mutant room_is_asked_for_silently admit.c \
    'hpr_admit_show_receiver\(ch\); /\* who may have to make the room \*/' \
    ''
mutant wish_for_room_is_not_seen_late settle.c \
    'if \(seq \+ 1 >= atomic_load\(&ch->dir.removable_seq\)\)' \
    'if (!ch->dir.wants_room && seq + 1 >= atomic_load(&ch->dir.removable_seq))'
mutant plain_wish_for_room_is_not_seen settle.h \
    ' \|\| seq \+ 1 >= atomic_load\(&ch->dir.removable_seq\);' \
    ';'
mutant plain_wish_for_room_is_seen_in_vain settle.c \
    'if \(rcv->next_seq >= atomic_load\(&ch->dir.removable_seq\)\) hpr_settle_files\(rcv, false\);' \
    ''
mutant unnoted_removal_tells_nobody settle.c \
    'else hpr_cond_broadcast\(&ch->deque.room\);' \
    ''
mutant acknowledged_ring_is_kept settle.c \
    'has_new_gaps\);\s+hpr_deque_give_back_to\(&ch->deque, rcv->kept_from.pos\);' \
    'has_new_gaps);'
mutant plainly_acknowledged_ring_is_kept settle.h \
    'return hpr_deque_set_freed\(&ch->deque, pos\) \|\|' \
    'return'
mutant plainly_acknowledged_ring_is_given_back_silently settle.c \
    'if \(hpr_deque_is_awaited\(&ch->deque, ch->deque.head.pos\)\) hpr_deque_wake_senders\(&ch->deque\);' \
    ''
mutant acknowledged_block_is_kept settle.c \
    'free_held\(rcv\);\s+if \(seq \+ 1' \
    'if (seq + 1'

# ---- the books
mutant books_pass_over_due stats.c \
    'hpr_mutex_lock\(&ch->deque.back\);\s+fill_records\(ch, &s\);' \
    'hpr_mutex_lock(&ch->deque.back); s.accepted = ch->next_seq; hpr_mutex_unlock(&ch->deque.back);\n hpr_mutex_lock(&ch->deque.back); { uint64_t before = s.accepted; fill_records(ch, &s); s.accepted = before - 1; }'

# ---- the mutex and the condition variable, which the scenarios above have from the C library
program=lock locks=-DHPR_FUTEX
mutant lock_that_does_not_tell sync_futex.c \
    'HPR_MUTEX_CONTENDED, memory_order_acquire' \
    'HPR_MUTEX_HELD, memory_order_acquire'
mutant lock_that_does_not_look_again sync_futex.c \
    'while \(atomic_exchange' \
    'if (atomic_exchange'
mutant unlock_that_wakes_nobody sync.h \
    'hpr_futex_wake_one\(&m->word\);' \
    ';'
mutant unlock_that_leaves_it_held sync.h \
    'HPR_MUTEX_FREE, memory_order_release' \
    'HPR_MUTEX_HELD, memory_order_release'
mutant sleeper_that_forgets_the_others sync_futex.c \
    'while \(atomic_exchange_explicit.*?UINT64_MAX\);' \
    'do { hpr_futex_wait(&m->word, HPR_MUTEX_CONTENDED, UINT64_MAX); uint32_t free = 0; if (atomic_compare_exchange_strong(&m->word, &free, HPR_MUTEX_HELD)) return; } while (atomic_exchange(&m->word, HPR_MUTEX_CONTENDED) != HPR_MUTEX_FREE);'
mutant wait_that_looks_too_late sync_futex.c \
    'hpr_futex_wait\(&c->sequence, sequence, timeout_ns\);' \
    'hpr_futex_wait(&c->sequence, atomic_load(&c->sequence), timeout_ns);'
mutant wait_that_is_not_counted sync_futex.c \
    'c->waiters\+\+;' \
    ''
mutant wait_that_comes_back_without sync_futex.c \
    'hpr_futex_wait\(&c->sequence, sequence, timeout_ns\);\s+hpr_mutex_lock\(m\);' \
    'hpr_futex_wait(&c->sequence, sequence, timeout_ns);'
mutant broadcast_that_changes_nothing sync_futex.c \
    'sequence \+ 1' \
    'sequence'
mutant broadcast_to_one sync_futex.c \
    'hpr_futex_wake_all' \
    'hpr_futex_wake_one'

[ "$patterns_only" ] || echo "# $found found, $missed missed"
[ "$missed" -eq 0 ]
