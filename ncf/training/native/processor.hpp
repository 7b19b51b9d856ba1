// What differs between processors: the width of a vector, the tiles that fit into the registers, and three operations.
//
// A new processor is one more block here. The last block is right on every processor, if not fast.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Rows of a tile of the result by its width in vectors, 1 to WIDEST_TILE: as many sums as fit beside a row of the
// right-hand matrix and a factor of the left-hand one.
#if defined(__AVX512F__)  // 32 registers of 64 bytes
#define NCF_VECTOR_BYTES 64
constexpr int TILE_ROWS[] = {0, 12, 12, 8, 6};
#elif defined(__AVX__)  // 16 registers of 32 bytes
#define NCF_VECTOR_BYTES 32
constexpr int TILE_ROWS[] = {0, 12, 6};
#elif defined(__aarch64__)  // 32 registers of 16 bytes
#define NCF_VECTOR_BYTES 16
constexpr int TILE_ROWS[] = {0, 12, 12, 8, 6};
#else  // such as SSE's 16 registers of 16 bytes
#define NCF_VECTOR_BYTES 16
constexpr int TILE_ROWS[] = {0, 12, 6};
#endif
constexpr int WIDEST_TILE = sizeof(TILE_ROWS) / sizeof(TILE_ROWS[0]) - 1;

constexpr int64_t LANES = NCF_VECTOR_BYTES / sizeof(float);
typedef float Lanes __attribute__((vector_size(NCF_VECTOR_BYTES), may_alias));
typedef uint32_t Bits __attribute__((vector_size(NCF_VECTOR_BYTES), may_alias));
typedef int32_t Mask __attribute__((vector_size(NCF_VECTOR_BYTES), may_alias));

#if defined(__AVX512F__)

// Up to LANES numbers from any address, followed by zeros.
inline Lanes load(const float* start, int64_t count) {
    return reinterpret_cast<Lanes>(_mm512_maskz_loadu_ps(count < LANES ? (1u << count) - 1 : 0xffffu, start));
}

inline void store(float* start, Lanes numbers, int64_t count) {
    _mm512_mask_storeu_ps(start, count < LANES ? (1u << count) - 1 : 0xffffu, reinterpret_cast<__m512>(numbers));
}

inline Lanes square_root(Lanes numbers) {
    return reinterpret_cast<Lanes>(_mm512_sqrt_ps(reinterpret_cast<__m512>(numbers)));
}

#elif defined(__AVX__)

inline __m256i first_lanes(int64_t count) {
    static const int32_t MASKS[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};  // zeros after them
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(MASKS + LANES - count));
}

inline Lanes load(const float* start, int64_t count) {
    return reinterpret_cast<Lanes>(count < LANES ? _mm256_maskload_ps(start, first_lanes(count))
                                                 : _mm256_loadu_ps(start));
}

inline void store(float* start, Lanes numbers, int64_t count) {
    if (count < LANES)
        _mm256_maskstore_ps(start, first_lanes(count), reinterpret_cast<__m256>(numbers));
    else
        _mm256_storeu_ps(start, reinterpret_cast<__m256>(numbers));
}

inline Lanes square_root(Lanes numbers) {
    return reinterpret_cast<Lanes>(_mm256_sqrt_ps(reinterpret_cast<__m256>(numbers)));
}

#else

inline Lanes load(const float* start, int64_t count) {
    Lanes result{};
    if (count < LANES)
        for (int64_t lane = 0; lane < count; lane++) result[lane] = start[lane];
    else
        std::memcpy(&result, start, sizeof(result));
    return result;
}

inline void store(float* start, Lanes numbers, int64_t count) {
    if (count < LANES)
        for (int64_t lane = 0; lane < count; lane++) start[lane] = numbers[lane];
    else
        std::memcpy(start, &numbers, sizeof(numbers));
}

inline Lanes square_root(Lanes numbers) {
#if defined(__aarch64__)
    return reinterpret_cast<Lanes>(vsqrtq_f32(reinterpret_cast<float32x4_t>(numbers)));
#else
    for (int64_t lane = 0; lane < LANES; lane++) numbers[lane] = std::sqrt(numbers[lane]);
    return numbers;
#endif
}

#endif
