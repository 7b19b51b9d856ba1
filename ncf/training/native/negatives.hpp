#pragma once

#include "interface.hpp"

// users[count], and items[count, 1 + negatives] with the positive in column 0, of the positives in these rows.
void draw_negatives(const Seen& seen, const Pair* positives, const int64_t* rows, int64_t count, uint64_t seed,
                    int64_t negatives, int64_t threads, int64_t* users, int64_t* items);
