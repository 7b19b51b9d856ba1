// The logistic function and its kin, sixteen numbers at a time.
#pragma once

#include <initializer_list>

#include "products.hpp"

// exp(x) of x from -87 to 0, to the last bit or two; smaller ones are taken as -87.
inline Lanes exponential(Lanes x) {
    x = x < -87.0f ? all(-87.0f) : x;
    const Lanes power = (x * 1.44269504f + 12582912.0f) - 12582912.0f;  // the nearest whole number
    const Lanes rest = (x - power * 0.693359375f) + power * 2.12194440e-4f;
    Lanes series = all(1.0f / 5040);
    for (float factor : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
        series = series * rest + factor;
    const Mask exponent = (__builtin_convertvector(power, Mask) + 127) << 23;
    return series * reinterpret_cast<const Lanes&>(exponent);
}

// log(1 + x) of x from 0 to 1, as 2 artanh(x / (2 + x)).
inline Lanes log_one_plus(Lanes x) {
    const Lanes share = x / (x + 2.0f), square = share * share;
    Lanes series = all(1.0f / 15);
    for (float factor : {1.0f / 13, 1.0f / 11, 1.0f / 9, 1.0f / 7, 1.0f / 5, 1.0f / 3, 1.0f})
        series = series * square + factor;
    return 2.0f * share * series;
}

// 1 / (1 + exp(-x)) and log(1 + exp(x)).
inline void logistic(Lanes x, float* sigmoid, float* softplus) {
    const Lanes small = exponential(x < 0 ? x : -x), whole = 1.0f / (1.0f + small);
    lanes(sigmoid) = x < 0 ? small * whole : whole;
    lanes(softplus) = (x < 0 ? Lanes{} : x) + log_one_plus(small);
}
