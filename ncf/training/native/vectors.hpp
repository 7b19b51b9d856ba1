// A vector of floats at a time: memory for them, and functions of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <new>
#include <utility>

#include "processor.hpp"
#ifdef __linux__
#include <sys/mman.h>
#endif

constexpr int64_t LARGE_PAGE = 1 << 21;             // bytes
constexpr int64_t CACHE_LINE = 64 / sizeof(float);  // floats

inline int64_t padded(int64_t width) { return (width + LANES - 1) / LANES * LANES; }

inline Lanes& lanes(float* start) { return *reinterpret_cast<Lanes*>(start); }
inline const Lanes& lanes(const float* start) { return *reinterpret_cast<const Lanes*>(start); }

inline Lanes broadcast(float number) { return Lanes{} + number; }

// Ask for numbers that will be needed soon.
inline void prefetch(const float* start, int64_t count) {
    for (int64_t i = 0; i < count; i += CACHE_LINE) __builtin_prefetch(start + i);
}

inline float sum(Lanes numbers) {
    float total = 0;
    for (int64_t lane = 0; lane < LANES; lane++) total += numbers[lane];
    return total;
}

// Put large memory into large pages where the system allows it, since rows are read in no order.
inline void use_large_pages(const void* start, int64_t bytes) {
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

// Zeros at first, in whole cache lines.
class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(int64_t size) : size_(padded(size)) {
        if (size_ == 0) return;
        const int64_t bytes = size_ * sizeof(float), whole = bytes < LARGE_PAGE ? 64 : LARGE_PAGE;
        start_ = static_cast<float*>(std::aligned_alloc(whole, (bytes + whole - 1) / whole * whole));
        if (start_ == nullptr) throw std::bad_alloc();
        use_large_pages(start_, bytes);
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

// Pseudorandom numbers as functions of a counter: Weyl increment and finalizers.
constexpr uint64_t GAMMA = 0x9e3779b97f4a7c15u;

// Finalizer of SplitMix64, as in ncf/splitmix.py.
inline uint64_t mixed(uint64_t bits) {
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

// Finalizer of MurmurHash3, for 32 bits in each lane.
inline Bits mixed(Bits bits) {
    bits ^= bits >> 16;
    bits *= 0x85ebca6bu;
    bits ^= bits >> 13;
    bits *= 0xc2b2ae35u;
    return bits ^ (bits >> 16);
}

// exp(x) for x from -87 to 0, correct to a bit or two; a smaller x counts as -87.
inline Lanes exponential(Lanes x) {
    x = x < -87.0f ? broadcast(-87.0f) : x;
    const Lanes power = (x * 1.44269504f + 12582912.0f) - 12582912.0f;  // the nearest integer
    const Lanes rest = (x - power * 0.693359375f) + power * 2.12194440e-4f;
    Lanes series = broadcast(1.0f / 5040);
    for (float factor : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
        series = series * rest + factor;
    const Mask exponent = (__builtin_convertvector(power, Mask) + 127) << 23;
    return series * reinterpret_cast<const Lanes&>(exponent);
}

// log(1 + x) for x from 0 to 1, as 2 artanh(x / (2 + x)).
inline Lanes log_one_plus(Lanes x) {
    const Lanes share = x / (x + 2.0f), square = share * share;
    Lanes series = broadcast(1.0f / 15);
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
