// Products of small matrices, with the tile of results in registers.
//
// Matrices are row-major float32. Rows of the right-hand matrix and of the result begin at multiples of 64 bytes and
// are padded to a multiple of LANES numbers. The left-hand matrix has strides of its own, so that it can be read
// transposed.
#pragma once

#include <algorithm>

#include "vectors.hpp"

// The left-hand matrix: element (row, depth) is start[row * row_stride + depth * depth_stride].
struct LeftMatrix {
    const float* start;
    int64_t row_stride, depth_stride;
};

template <int ROWS, int WIDTH>
inline void matmul_tile(int64_t depth, LeftMatrix left, const float* right, int64_t right_stride, float* result,
                        int64_t result_stride, const float* bias, bool add) {
    Lanes sums[ROWS][WIDTH];
#pragma GCC unroll 16
    for (int row = 0; row < ROWS; row++)
#pragma GCC unroll 4
        for (int vector = 0; vector < WIDTH; vector++) {
            if (add)
                sums[row][vector] = lanes(result + row * result_stride + vector * LANES);
            else
                sums[row][vector] = bias ? lanes(bias + vector * LANES) : Lanes{};
        }
    for (int64_t k = 0; k < depth; k++) {
        Lanes right_row[WIDTH];
#pragma GCC unroll 4
        for (int vector = 0; vector < WIDTH; vector++)
            right_row[vector] = lanes(right + k * right_stride + vector * LANES);
#pragma GCC unroll 16
        for (int row = 0; row < ROWS; row++) {
            const Lanes factor = broadcast(left.start[row * left.row_stride + k * left.depth_stride]);
#pragma GCC unroll 4
            for (int vector = 0; vector < WIDTH; vector++) sums[row][vector] += factor * right_row[vector];
        }
    }
#pragma GCC unroll 16
    for (int row = 0; row < ROWS; row++)
#pragma GCC unroll 4
        for (int vector = 0; vector < WIDTH; vector++)
            lanes(result + row * result_stride + vector * LANES) = sums[row][vector];
}

template <int ROWS, int WIDTH>
inline void matmul_strip(int64_t rows, int64_t depth, LeftMatrix left, const float* right, int64_t right_stride,
                         float* result, int64_t result_stride, const float* bias, bool add) {
    int64_t row = 0;
    auto at = [&](int64_t first) {
        return LeftMatrix{left.start + first * left.row_stride, left.row_stride, left.depth_stride};
    };
    for (; row + ROWS <= rows; row += ROWS)
        matmul_tile<ROWS, WIDTH>(depth, at(row), right, right_stride, result + row * result_stride, result_stride, bias,
                                 add);
    for (; row + 4 <= rows; row += 4)
        matmul_tile<4, WIDTH>(depth, at(row), right, right_stride, result + row * result_stride, result_stride, bias,
                              add);
    for (; row < rows; row++)
        matmul_tile<1, WIDTH>(depth, at(row), right, right_stride, result + row * result_stride, result_stride, bias,
                              add);
}

// A strip of the result as wide as a tile may be, or as the columns that are left.
template <int WIDTH>
inline int64_t matmul_columns(int64_t vectors, int64_t rows, int64_t depth, LeftMatrix left, const float* right,
                              int64_t right_stride, float* result, int64_t result_stride, const float* bias, bool add) {
    if constexpr (WIDTH > 1)
        if (vectors < WIDTH)
            return matmul_columns<WIDTH - 1>(vectors, rows, depth, left, right, right_stride, result, result_stride,
                                             bias, add);
    matmul_strip<TILE_ROWS[WIDTH], WIDTH>(rows, depth, left, right, right_stride, result, result_stride, bias, add);
    return WIDTH * LANES;
}

// result[rows, columns] = left[rows, depth] @ right[depth, columns] + bias[columns], or added to the old result.
inline void matmul(int64_t rows, int64_t columns, int64_t depth, LeftMatrix left, const float* right,
                   int64_t right_stride, float* result, int64_t result_stride, const float* bias, bool add) {
    for (int64_t column = 0; column < columns;)
        column +=
            matmul_columns<WIDEST_TILE>((columns - column) / LANES, rows, depth, left, right + column, right_stride,
                                        result + column, result_stride, bias ? bias + column : nullptr, add);
}

// A layer's weights, packed for the products of both passes; each half of the first layer has one of its own.
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

// Both from multiples of 64 bytes on; counts up to the next multiple of LANES.
inline void accumulate(float* total, const float* more, int64_t count) {
    for (int64_t i = 0; i < count; i += LANES) lanes(total + i) += lanes(more + i);
}
