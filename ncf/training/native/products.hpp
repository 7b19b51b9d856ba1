// Products of small matrices, with the tile of results in registers.
//
// Matrices are row-major float32. Of the right-hand one and of the results, rows begin at multiples of 64 bytes and are
// padded to a multiple of LANES numbers; the left-hand one has strides of its own, so that it can be read transposed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>
#ifdef __AVX512F__
#include <immintrin.h>
#endif
#ifdef __linux__
#include <sys/mman.h>
#endif

constexpr int64_t LANES = 16;
constexpr int64_t LARGE_PAGE = 1 << 21;  // bytes
typedef float Lanes __attribute__((vector_size(64), may_alias));
typedef uint32_t Bits __attribute__((vector_size(64), may_alias));
typedef int32_t Mask __attribute__((vector_size(64), may_alias));

inline int64_t padded(int64_t width) { return (width + LANES - 1) / LANES * LANES; }

inline Lanes& lanes(float* place) { return *reinterpret_cast<Lanes*>(place); }
inline const Lanes& lanes(const float* place) { return *reinterpret_cast<const Lanes*>(place); }

inline Lanes all(float number) { return Lanes{} + number; }

// Up to LANES numbers from any place, zeros after them.
inline Lanes load(const float* place, int64_t count) {
#ifdef __AVX512F__
    return reinterpret_cast<Lanes>(_mm512_maskz_loadu_ps(count < LANES ? (1u << count) - 1 : 0xffffu, place));
#else
    Lanes found{};
    std::memcpy(&found, place, std::min(count, LANES) * sizeof(float));
    return found;
#endif
}

inline void store(float* place, Lanes numbers, int64_t count) {
#ifdef __AVX512F__
    _mm512_mask_storeu_ps(place, count < LANES ? (1u << count) - 1 : 0xffffu, reinterpret_cast<__m512>(numbers));
#else
    std::memcpy(place, &numbers, std::min(count, LANES) * sizeof(float));
#endif
}

inline Lanes root(Lanes numbers) {
#ifdef __AVX512F__
    return reinterpret_cast<Lanes>(_mm512_sqrt_ps(reinterpret_cast<__m512>(numbers)));
#else
    for (int64_t lane = 0; lane < LANES; lane++) numbers[lane] = std::sqrt(numbers[lane]);
    return numbers;
#endif
}

// Call for some numbers, which will be needed soon.
inline void prefetch(const float* start, int64_t count) {
    for (int64_t i = 0; i < count; i += LANES) __builtin_prefetch(start + i);
}

inline float sum(Lanes numbers) {
    float total = 0;
    for (int64_t lane = 0; lane < LANES; lane++) total += numbers[lane];
    return total;
}

// Have large memory in large pages where the system allows it: rows are read here and there.
inline void in_large_pages(const void* start, int64_t bytes) {
#ifdef __linux__
    constexpr uintptr_t PAGE = 4096;
    constexpr int COLLAPSE = 25;  // MADV_COLLAPSE, of Linux 6.1; older ones refuse it
    if (bytes < LARGE_PAGE) return;
    const uintptr_t first = (reinterpret_cast<uintptr_t>(start) + PAGE - 1) / PAGE * PAGE;
    const uintptr_t last = (reinterpret_cast<uintptr_t>(start) + bytes) / PAGE * PAGE;
    madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
    madvise(reinterpret_cast<void*>(first), last - first, COLLAPSE);
#else
    (void)start, (void)bytes;
#endif
}

// Numbers in whole cache lines, zeros at first.
class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(int64_t size) : size_(padded(size)) {
        if (size_ == 0) return;
        const int64_t bytes = size_ * sizeof(float), whole = bytes < LARGE_PAGE ? 64 : LARGE_PAGE;
        start_ = static_cast<float*>(std::aligned_alloc(whole, (bytes + whole - 1) / whole * whole));
        if (start_ == nullptr) throw std::bad_alloc();
        in_large_pages(start_, bytes);
        zero(size_);
    }
    Buffer(Buffer&& other) noexcept : start_(other.start_), size_(other.size_) { other.start_ = nullptr; }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(start_, other.start_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Buffer() { std::free(start_); }
    operator float*() { return start_; }
    operator const float*() const { return start_; }
    void zero(int64_t count) {
        if (count) std::memset(start_, 0, count * sizeof(float));
    }
    void zero() { zero(size_); }
    int64_t size() const { return size_; }

  private:
    float* start_ = nullptr;
    int64_t size_ = 0;
};

// The left-hand matrix of a product: number (row, depth) stands at start[row * row_stride + depth * depth_stride].
struct Left {
    const float* start;
    int64_t row_stride, depth_stride;
};

template <int ROWS, int WIDTH>
inline void product_tile(int64_t depth, Left left, const float* right, int64_t right_stride, float* result,
                         int64_t result_stride, const float* bias, bool add) {
    Lanes sums[ROWS][WIDTH];
#pragma GCC unroll 16
    for (int row = 0; row < ROWS; row++)
#pragma GCC unroll 4
        for (int part = 0; part < WIDTH; part++) {
            if (add)
                sums[row][part] = lanes(result + row * result_stride + part * LANES);
            else
                sums[row][part] = bias ? lanes(bias + part * LANES) : Lanes{};
        }
    for (int64_t place = 0; place < depth; place++) {
        Lanes along[WIDTH];
#pragma GCC unroll 4
        for (int part = 0; part < WIDTH; part++) along[part] = lanes(right + place * right_stride + part * LANES);
#pragma GCC unroll 16
        for (int row = 0; row < ROWS; row++) {
            const Lanes factor = all(left.start[row * left.row_stride + place * left.depth_stride]);
#pragma GCC unroll 4
            for (int part = 0; part < WIDTH; part++) sums[row][part] += factor * along[part];
        }
    }
#pragma GCC unroll 16
    for (int row = 0; row < ROWS; row++)
#pragma GCC unroll 4
        for (int part = 0; part < WIDTH; part++) lanes(result + row * result_stride + part * LANES) = sums[row][part];
}

template <int ROWS, int WIDTH>
inline void product_strip(int64_t rows, int64_t depth, Left left, const float* right, int64_t right_stride,
                          float* result, int64_t result_stride, const float* bias, bool add) {
    int64_t row = 0;
    auto at = [&](int64_t first) {
        return Left{left.start + first * left.row_stride, left.row_stride, left.depth_stride};
    };
    for (; row + ROWS <= rows; row += ROWS)
        product_tile<ROWS, WIDTH>(depth, at(row), right, right_stride, result + row * result_stride, result_stride,
                                  bias, add);
    for (; row + 4 <= rows; row += 4)
        product_tile<4, WIDTH>(depth, at(row), right, right_stride, result + row * result_stride, result_stride, bias,
                               add);
    for (; row < rows; row++)
        product_tile<1, WIDTH>(depth, at(row), right, right_stride, result + row * result_stride, result_stride, bias,
                               add);
}

// result[rows, columns] = left[rows, depth] @ right[depth, columns] + bias[columns], or added to what is there.
inline void product(int64_t rows, int64_t columns, int64_t depth, Left left, const float* right, int64_t right_stride,
                    float* result, int64_t result_stride, const float* bias, bool add) {
    for (int64_t column = 0; column < columns;) {
        const int64_t wide = (columns - column) / LANES;
        const float* mine = bias ? bias + column : nullptr;
        if (wide >= 4)
            product_strip<6, 4>(rows, depth, left, right + column, right_stride, result + column, result_stride, mine,
                                add);
        else if (wide == 3)
            product_strip<8, 3>(rows, depth, left, right + column, right_stride, result + column, result_stride, mine,
                                add);
        else if (wide == 2)
            product_strip<12, 2>(rows, depth, left, right + column, right_stride, result + column, result_stride, mine,
                                 add);
        else
            product_strip<12, 1>(rows, depth, left, right + column, right_stride, result + column, result_stride, mine,
                                 add);
        column += LANES * (wide >= 4 ? 4 : wide);
    }
}
