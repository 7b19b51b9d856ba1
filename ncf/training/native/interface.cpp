// What native/library.py calls, and the sizes and offsets of interface.hpp that it compares with its own.
#include "interface.hpp"

#include <array>
#include <cstddef>
#include <new>

#include "negatives.hpp"
#include "trainer.hpp"

struct Entry {
    const char* name;
    int64_t offset;  // or the value of an enumerator
    int64_t size;
};

#define WHOLE(type) \
    Entry { #type, 0, sizeof(type) }
#define FIELD(type, field) \
    Entry { #type "." #field, offsetof(type, field), sizeof(type::field) }

template <class... Entries>
static std::array<Entry, sizeof...(Entries)> list(Entries... entries) {
    return {entries...};
}

static const auto LAYOUT = list(
    WHOLE(Parameter), FIELD(Parameter, value), FIELD(Parameter, mean), FIELD(Parameter, square), FIELD(Parameter, size),
    FIELD(Parameter, trained), WHOLE(Layer), FIELD(Layer, weight), FIELD(Layer, bias), WHOLE(Optimizer),
    FIELD(Optimizer, beta1), FIELD(Optimizer, beta2), FIELD(Optimizer, eps), FIELD(Optimizer, adam), WHOLE(Rates),
    FIELD(Rates, rate), FIELD(Rates, correction), FIELD(Rates, decay), WHOLE(Config), FIELD(Config, num_users),
    FIELD(Config, num_items), FIELD(Config, gmf_dim), FIELD(Config, num_layers), FIELD(Config, widths),
    FIELD(Config, gmf_users), FIELD(Config, gmf_items), FIELD(Config, gmf_head), FIELD(Config, gmf_bias),
    FIELD(Config, mlp_users), FIELD(Config, mlp_items), FIELD(Config, mlp_head), FIELD(Config, mlp_bias),
    FIELD(Config, layers), FIELD(Config, optimizer), FIELD(Config, loss), FIELD(Config, dense), FIELD(Config, dropout),
    FIELD(Config, l2_samples), FIELD(Config, l2_tables), FIELD(Config, positives), FIELD(Config, group_size),
    FIELD(Config, threads), WHOLE(Pair), FIELD(Pair, user), FIELD(Pair, item), WHOLE(Seen), FIELD(Seen, below),
    FIELD(Seen, offsets), FIELD(Seen, num_items), Entry{"loss bce", BCE, 0}, Entry{"loss mse", MSE, 0},
    Entry{"loss least-squares", LEAST_SQUARES, 0}, Entry{"loss bpr", BPR, 0}, Entry{"phase find", FIND, 0},
    Entry{"phase look up", LOOK_UP, 0}, Entry{"phase forward", FORWARD, 0}, Entry{"phase loss", LOSS, 0},
    Entry{"phase backward", BACKWARD, 0}, Entry{"phase pass on", UPDATE_ROWS, 0},
    Entry{"phase finish", UPDATE_DENSE, 0}, Entry{nullptr, 0, 0});

extern "C" {

const Entry* ncf_layout() { return LAYOUT.data(); }

Trainer* ncf_create(const Config* config) {
    try {
        return new Trainer(*config);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void ncf_restart(Trainer* trainer, int64_t step) { trainer->restart(step); }

void ncf_finish(Trainer* trainer) { trainer->finish(); }

double ncf_run(Trainer* trainer, int64_t steps, const int64_t* const* users, const int64_t* const* items,
               const float* const* labels, const float* const* weights, const Rates* rates, const uint64_t* seeds) {
    return trainer->run(steps, users, items, labels, weights, rates, seeds);
}

const double* ncf_seconds(const Trainer* trainer) { return trainer->seconds(); }

void ncf_free(Trainer* trainer) { delete trainer; }

void ncf_use_large_pages(const void* start, int64_t bytes) { use_large_pages(start, bytes); }

void ncf_draw(const Seen* seen, const Pair* positives, const int64_t* rows, int64_t count, uint64_t seed,
              int64_t negatives, int64_t threads, int64_t* users, int64_t* items) {
    draw_negatives(*seen, positives, rows, count, seed, negatives, threads, users, items);
}
}
