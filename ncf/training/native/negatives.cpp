// Negatives drawn uniformly from the items that a user has not seen; the same numbers as ncf/sampling/sampler.py.
#include "negatives.hpp"

#include <algorithm>

#include "vectors.hpp"
#include "worker.hpp"

constexpr int64_t SEARCHES = 8;  // at the same time, so that their waits for memory overlap
constexpr int64_t FAR = 24, NEAR = 16,
                  NEXT = 8;  // how many positives ahead the row, the offsets and the items are prefetched
constexpr int64_t LINE = 64 / sizeof(int32_t), MOST_LINES = 32;

static void prefetch_seen(const int32_t* first, int64_t count) {
    const int64_t step = std::max(LINE, count / MOST_LINES);
    for (int64_t i = 0; i < count; i += step) __builtin_prefetch(first + i);
}

// For each drawn number: how many of the seen items have at most so many unseen items below them.
static void search(const int32_t* __restrict first, int32_t count, const int32_t* __restrict drawn,
                   int32_t* __restrict counts) {
    for (int64_t i = 0; i < SEARCHES; i++) counts[i] = 0;
    for (int32_t left = count; left > 0; left = left > 1 ? left - left / 2 : 0) {
        const int32_t half = std::max(left / 2, 1);
        for (int64_t i = 0; i < SEARCHES; i++) counts[i] += first[counts[i] + half - 1] <= drawn[i] ? half : 0;
    }
}

// For each positive: its user, and its item followed by its negatives.
static void draw(const Seen& seen, const Pair* positives, const int64_t* rows, int64_t count, uint64_t seed,
                 int64_t negatives, int64_t* users, int64_t* items) {
    for (int64_t index = 0; index < count; index++) {
        if (index + FAR < count) __builtin_prefetch(positives + rows[index + FAR]);
        if (index + NEAR < count) __builtin_prefetch(seen.offsets + positives[rows[index + NEAR]].user);
        if (index + NEXT < count) {
            const int64_t* ends = seen.offsets + positives[rows[index + NEXT]].user;
            prefetch_seen(seen.below + ends[0], ends[1] - ends[0]);
        }
        const int64_t row = rows[index];
        const auto [user, item] = positives[row];
        const int32_t* first = seen.below + seen.offsets[user];
        const int64_t num_seen = seen.offsets[user + 1] - seen.offsets[user];
        users[index] = user;
        *items++ = item;
        for (int64_t start = 0; start < negatives; start += SEARCHES) {
            const int64_t num_draws = std::min(SEARCHES, negatives - start);
            int32_t drawn[SEARCHES] = {}, counts[SEARCHES];
            for (int64_t i = 0; i < num_draws; i++) {
                const uint64_t bits = mixed(seed + static_cast<uint64_t>(row * negatives + start + i) * GAMMA);
                drawn[i] = ((bits >> 32) * static_cast<uint64_t>(seen.num_items - num_seen)) >> 32;
            }
            search(first, num_seen, drawn, counts);
            for (int64_t i = 0; i < num_draws; i++) *items++ = drawn[i] + counts[i];
        }
    }
}

void draw_negatives(const Seen& seen, const Pair* positives, const int64_t* rows, int64_t count, uint64_t seed,
                    int64_t negatives, int64_t threads, int64_t* users, int64_t* items) {
    run_threads(threads, [&](int64_t thread) {
        const int64_t start = shard_start(thread, threads, count), stop = shard_start(thread + 1, threads, count);
        draw(seen, positives, rows + start, stop - start, seed, negatives, users + start,
             items + start * (1 + negatives));
    });
}
