// What is trained, and how: as native/step.py describes it.
#pragma once

#include "rows.hpp"

enum Loss : int32_t { BCE, MSE, LEAST_SQUARES, BPR };

struct Layer {
    Parameter weight, bias;  // [out, in], [out]
};

struct Description {
    int64_t num_users, num_items;
    int64_t factors;  // of GMF; 0: none
    int64_t depth;    // layers of the tower; 0: none
    const int64_t* widths;
    Parameter factors_users, factors_items, factors_head, factors_bias;
    Parameter tower_users, tower_items, tower_head, tower_bias;
    const Layer* layers;
    Optimizer optimizer;
    int32_t loss;
    int32_t every_row;  // whether rows without a gradient change by more than their moments
    double dropout, l2_samples, l2_tables;
    int64_t positives, each;  // of a step; samples of a positive
    int64_t threads;
};
