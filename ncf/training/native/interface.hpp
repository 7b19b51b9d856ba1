// The structs that Python fills in (native/library.py has the same ones). Their fields leave no padding, so that any
// difference changes a size or an offset; layout.cpp exports both, and Python compares them when it loads the library.
#pragma once

#include <cstdint>

struct Parameter {
    float *value, *mean, *square;  // weights and Adam's moments; mean and square are null with SGD
    int64_t size;
    int64_t trained;
};

struct Layer {
    Parameter weight, bias;  // [out, in], [out]
};

struct Optimizer {
    double beta1, beta2, eps;
    int64_t adam;
};

// Of one step.
struct Rates {
    double rate;        // Adam: learning rate / (1 - beta1^t); SGD: the learning rate
    double correction;  // 1 / sqrt(1 - beta2^t)
    double decay;       // 1 - learning rate * weight decay
};

enum Loss : int64_t { BCE, MSE, LEAST_SQUARES, BPR };

struct Config {
    int64_t num_users, num_items;
    int64_t gmf_dim;        // factors of GMF; 0: the model has no GMF
    int64_t num_layers;     // of the tower; 0: the model has no MLP
    const int64_t* widths;  // [num_layers + 1], of the tower from its input on
    Parameter gmf_users, gmf_items, gmf_head, gmf_bias;
    Parameter mlp_users, mlp_items, mlp_head, mlp_bias;
    const Layer* layers;  // [num_layers]
    Optimizer optimizer;
    int64_t loss;
    int64_t dense;  // every row changes at every step (weight decay, or L2 over the tables)
    double dropout, l2_samples, l2_tables;
    int64_t positives;   // of a step
    int64_t group_size;  // a positive with its negatives
    int64_t threads;
};

struct Pair {
    int32_t user, item;
};

// The items that each user has seen.
struct Seen {
    const int32_t* below;    // per user and seen item, ascending: how many unseen items have a lower index
    const int64_t* offsets;  // [num_users + 1], where a user's entries begin
    int64_t num_items;
};

// Where the time of a step goes.
enum Phase { FIND, LOOK_UP, FORWARD, LOSS, BACKWARD, UPDATE_ROWS, UPDATE_DENSE, NUM_PHASES };
