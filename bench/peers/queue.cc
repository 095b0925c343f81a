// SPDX-License-Identifier: MIT
//
// moodycamel::ConcurrentQueue and BlockingConcurrentQueue: unbounded, without locks, one list for each sender. With
// tokens for all senders and the receiver, which is its fast way; batches by its own bulk calls. The one that does not
// block looks again after a while when there is nothing.
//
// 8 bytes: a uint64_t; more: a pointer to a copy on the heap with its length. Variants "array", "blocking-array": 100 or
// 1024 bytes by value, for lengths that are known when the program is compiled. "blocking": the queue that can sleep.
#include "bench.h"

#include BENCH_QUEUE

#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace
{

// ---- what is carried

struct Word {
    uint64_t value;

    static Word make(const char *message, size_t)
    {
        return {bench_load(message)};
    }
    void take(const struct bench_work *, struct bench_check *check) const
    {
        bench_value_check(check, value);
    }
};

template <size_t SIZE> struct Array {
    std::array<char, SIZE> bytes;

    static Array make(const char *message, size_t)
    {
        Array array;

        memcpy(array.bytes.data(), message, SIZE);
        return array;
    }
    void take(const struct bench_work *, struct bench_check *check) const
    {
        bench_message_check(check, bytes.data(), SIZE, SIZE);
    }
};

struct Heap {
    char  *bytes;
    size_t len;

    static Heap make(const char *message, size_t len)
    {
        char *copy = static_cast<char *>(malloc(len));

        if (copy == nullptr) bench_die("malloc", "no memory");
        memcpy(copy, message, len);
        return {copy, len};
    }
    void take(const struct bench_work *work, struct bench_check *check) const
    {
        bench_any_check(work, check, bytes, len);
        free(bytes);
    }
};

// ---- the two queues, told apart by whether one can wait

template <class Item> size_t some_take(moodycamel::ConcurrentQueue<Item> &queue, moodycamel::ConsumerToken &token,
                                       Item *items, size_t most)
{
    size_t   got;
    unsigned looks = 0;

    if (most == 1) {
        while (!queue.try_dequeue(token, *items)) bench_relax(&looks);
        return 1;
    }
    while ((got = queue.try_dequeue_bulk(token, items, most)) == 0) bench_relax(&looks);
    return got;
}

template <class Item> size_t some_take(moodycamel::BlockingConcurrentQueue<Item> &queue,
                                       moodycamel::ConsumerToken &token, Item *items, size_t most)
{
    if (most > 1) return queue.wait_dequeue_bulk(token, items, most);
    queue.wait_dequeue(token, *items);
    return 1;
}

// ---- the peer

struct Channel {
    virtual ~Channel() = default;
    virtual void send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count) = 0;
    virtual void receive(const struct bench_work *work, struct bench_check *check, uint64_t count) = 0;
};

template <class Item, class Queue> class Peer final : public Channel
{
public:
    explicit Peer(const struct bench_work *work)
        : queue_(size_t(work->slots != 0 ? work->slots : work->messages), work->senders, 0), receiver_(queue_)
    {
        for (unsigned i = 0; i < work->senders; i++)
            senders_.push_back(std::make_unique<moodycamel::ProducerToken>(queue_));
    }

    void send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count) override
    {
        struct iovec                records[BENCH_BATCH_MAX];
        std::vector<Item>           items(bench_group_max(work));
        moodycamel::ProducerToken  &token = *senders_[sender];
        char                       *group = bench_group_alloc(work, first);

        while (count > 0) {
            size_t some = bench_group(work, count);

            bench_records_fill(work, group, records, sender, first, some);
            for (size_t i = 0; i < some; i++) {
                items[i] = Item::make(static_cast<const char *>(records[i].iov_base), records[i].iov_len);
                if (work->batch == 1) must(queue_.enqueue(token, items[i]));
            }
            if (work->batch > 1) must(queue_.enqueue_bulk(token, items.begin(), some));
            first += some;
            count -= some;
        }
        free(group);
    }

    void receive(const struct bench_work *work, struct bench_check *check, uint64_t count) override
    {
        std::vector<Item> items(work->batch);

        while (count > 0) {
            size_t got = some_take(queue_, receiver_, items.data(), bench_batch(work, count));

            for (size_t i = 0; i < got; i++) items[i].take(work, check);
            count -= got;
        }
    }

private:
    static void must(bool is_in)
    {
        if (!is_in) bench_die("enqueue", "no memory");
    }

    Queue                                                   queue_;
    moodycamel::ConsumerToken                               receiver_;
    std::vector<std::unique_ptr<moodycamel::ProducerToken>> senders_;
};

std::unique_ptr<Channel> channel;

bool has(const struct bench_work *work, const char *what)
{
    return std::string(work->variant).find(what) != std::string::npos;
}

template <class Item> void channel_make(const struct bench_work *work)
{
    if (has(work, "blocking")) channel = std::make_unique<Peer<Item, moodycamel::BlockingConcurrentQueue<Item>>>(work);
    else channel = std::make_unique<Peer<Item, moodycamel::ConcurrentQueue<Item>>>(work);
}

const char *peer_name(const struct bench_work *work)
{
    static std::string name;

    if (work->kind == BENCH_WAKE && !has(work, "blocking")) return nullptr;
    if (work->kind != BENCH_MEM && work->kind != BENCH_WAKE && work->kind != BENCH_BURST) return nullptr;
    if (has(work, "array") && (work->mix || (work->size != 100 && work->size != 1024))) return nullptr;
    name = std::string("moodycamel") + (*work->variant ? "-" : "") + work->variant + (work->batch > 1 ? "-bulk" : "");
    return name.c_str();
}

void peer_open(const struct bench_work *work)
{
    if (work->size == sizeof(uint64_t)) channel_make<Word>(work);
    else if (has(work, "array") && work->size == 100) channel_make<Array<100>>(work);
    else if (has(work, "array")) channel_make<Array<1024>>(work);
    else channel_make<Heap>(work);
}

void peer_close(const struct bench_work *)
{
    channel.reset();
}

void peer_send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count)
{
    channel->send(work, sender, first, count);
}

void peer_receive(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    channel->receive(work, check, count);
}

} // namespace

const struct bench_peer bench_peer = {.name = peer_name, .open = peer_open, .close = peer_close, .send = peer_send,
                                      .receive = peer_receive, .fill = nullptr, .drain = nullptr, .report = nullptr,
                                      .disk = nullptr};
