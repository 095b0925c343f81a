/* SPDX-License-Identifier: MIT */
/*
 * A user's program in C++11, compiled against the installed library: the headers are C++ too, and handles fit into
 * unique_ptr. Two threads send, the main thread receives.
 *
 *     consumer DIR
 */
#include <hopper/hopper.h>
#include <hopper/platform.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Close {
    void operator()(hopper_sender *snd) const { hopper_sender_close(snd); }
    void operator()(hopper_receiver *rcv) const { hopper_receiver_close(rcv); }
};
using Sender   = std::unique_ptr<hopper_sender, Close>;
using Receiver = std::unique_ptr<hopper_receiver, Close>;

constexpr int records_each = 20000;

void produce(Sender sender, int id)
{
    for (int i = 0; i < records_each; i++) {
        std::string text = std::to_string(id) + ":" + std::to_string(i);
        if (hopper_send(sender.get(), text.data(), text.size()) != HOPPER_OK) return;
    }
}

bool receive_all(hopper_receiver *rcv)
{
    hopper_record rec;
    int           next[2] = {0, 0};

    while (hopper_receive(rcv, &rec, HOPPER_FOREVER) == HOPPER_OK) {
        std::string text(static_cast<const char *>(rec.data), rec.len);
        int         id = text.at(0) - '0';
        if (rec.gap != HOPPER_GAP_NONE || text.substr(2) != std::to_string(next[id])) return false;
        next[id]++;
    }
    return next[0] == records_each && next[1] == records_each;
}

} // namespace

int main(int argc, char **argv)
{
    hopper_options   options = HOPPER_OPTIONS_INIT;
    hopper_stats     stats   = HOPPER_STATS_INIT;
    hopper_sender   *first   = nullptr;
    hopper_sender   *second  = nullptr;
    hopper_receiver *rcv     = nullptr;

    if (argc != 2) return 64;
    options.memory_bytes = HOPPER_MEMORY_BYTES_MIN;
    if (hopper_open(argv[1], "consumer-cpp", &options, &first, &rcv, nullptr) != HOPPER_OK) return 1;
    Receiver receiver(rcv);
    Sender   a(first);
    if (hopper_sender_clone(first, &second) != HOPPER_OK) return 1;
    Sender      b(second);
    std::thread one(produce, std::move(a), 0);
    std::thread two(produce, std::move(b), 1);
    bool        good = receive_all(receiver.get());
    one.join();
    two.join();
    if (hopper_receiver_stats(receiver.get(), &stats) != HOPPER_OK || stats.accepted != 2 * records_each) good = false;
    std::printf("%s, %s\n", hopper_version(), good ? "all in order" : "FAILED");
    return good ? 0 : 1;
}
