// Negatives drawn evenly from what a user has not seen: the numbers of ncf/sampling/sampler.py and ncf/sampling/unseen.py.
#include <algorithm>
#include <thread>
#include <vector>

#include "random.hpp"

struct Pair {
    int32_t user, item;
};

struct Seen {
    const int32_t* below;    // by user and seen item, rising: how many unseen items are below it
    const int64_t* offsets;  // [num_users + 1], where a user's begin
    int64_t num_items;
};

constexpr int64_t TOGETHER = 8;                   // searches that go on side by side, for none to wait for memory alone
constexpr int64_t FAR = 24, NEAR = 16, NEXT = 8;  // positives ahead, of which more and more is called for
constexpr int64_t LINE = 64 / sizeof(int32_t), MOST_LINES = 32;

static void call_for_seen(const int32_t* first, int64_t count) {
    const int64_t step = std::max(LINE, count / MOST_LINES);
    for (int64_t place = 0; place < count; place += step) __builtin_prefetch(first + place);
}

// The places of draws among the seen: how many of these have at most so many unseen items below.
static void search(const int32_t* __restrict first, int32_t count, const int32_t* __restrict drawn,
                   int32_t* __restrict places) {
    for (int64_t i = 0; i < TOGETHER; i++) places[i] = 0;
    for (int32_t left = count; left > 0; left = left > 1 ? left - left / 2 : 0) {
        const int32_t half = std::max(left / 2, 1);
        for (int64_t i = 0; i < TOGETHER; i++) places[i] += first[places[i] + half - 1] <= drawn[i] ? half : 0;
    }
}

// Of each of some positives its user, itself, and its negatives.
static void draw(const Seen& seen, const Pair* positives, const int64_t* rows, int64_t count, uint64_t seed,
                 int64_t negatives, int64_t* users, int64_t* items) {
    for (int64_t place = 0; place < count; place++) {
        if (place + FAR < count) __builtin_prefetch(positives + rows[place + FAR]);
        if (place + NEAR < count) __builtin_prefetch(seen.offsets + positives[rows[place + NEAR]].user);
        if (place + NEXT < count) {
            const int64_t* ends = seen.offsets + positives[rows[place + NEXT]].user;
            call_for_seen(seen.below + ends[0], ends[1] - ends[0]);
        }
        const int64_t row = rows[place];
        const auto [user, item] = positives[row];
        const int32_t* first = seen.below + seen.offsets[user];
        const int64_t known = seen.offsets[user + 1] - seen.offsets[user];
        users[place] = user;
        *items++ = item;
        for (int64_t start = 0; start < negatives; start += TOGETHER) {
            const int64_t now = std::min(TOGETHER, negatives - start);
            int32_t drawn[TOGETHER] = {}, places[TOGETHER];
            for (int64_t i = 0; i < now; i++) {
                const uint64_t bits = finalized(seed + static_cast<uint64_t>(row * negatives + start + i) * GAMMA);
                drawn[i] = ((bits >> 32) * static_cast<uint64_t>(seen.num_items - known)) >> 32;
            }
            search(first, known, drawn, places);
            for (int64_t i = 0; i < now; i++) *items++ = drawn[i] + places[i];
        }
    }
}

extern "C" void ncf_in_large_pages(const void* start, int64_t bytes) { in_large_pages(start, bytes); }

extern "C" void ncf_draw(const Seen* seen, const Pair* positives, const int64_t* rows, int64_t count, uint64_t seed,
                         int64_t negatives, int64_t threads, int64_t* users, int64_t* items) {
    auto part = [&](int64_t number) {
        const int64_t start = count * number / threads, stop = count * (number + 1) / threads;
        draw(*seen, positives, rows + start, stop - start, seed, negatives, users + start,
             items + start * (1 + negatives));
    };
    std::vector<std::thread> others;
    for (int64_t number = 1; number < threads; number++) others.emplace_back(part, number);
    part(0);
    for (std::thread& other : others) other.join();
}
