// A layer's weights as products want them.
#pragma once

#include <algorithm>

#include "products.hpp"

// The matrix of a layer as products want it; both halves of the first layer have one each.
struct Matrix {
    int64_t in = 0, out = 0;
    Buffer forward;   // [in, padded(out)]
    Buffer backward;  // [out, padded(in)]
    Matrix() = default;
    Matrix(int64_t in, int64_t out) : in(in), out(out), forward(in * padded(out)), backward(out * padded(in)) {}
    void pack(const float* weight, int64_t stride) {
        for (int64_t row = 0; row < out; row++) {
            std::copy_n(weight + row * stride, in, backward + row * padded(in));
            for (int64_t column = 0; column < in; column++)
                forward[column * padded(out) + row] = weight[row * stride + column];
        }
    }
};

inline void accumulate(float* total, const float* more, int64_t count) {
    for (int64_t i = 0; i < count; i += LANES) lanes(total + i) += lanes(more + i);
}
