// Random numbers as functions of a counter.
#pragma once

#include <cstdint>

#include "products.hpp"

constexpr uint64_t GAMMA = 0x9e3779b97f4a7c15u;

// SplitMix64's finalizer, as in ncf/splitmix.py.
inline uint64_t finalized(uint64_t bits) {
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

// MurmurHash3's, of 32 bits each.
inline Bits finalized(Bits bits) {
    bits ^= bits >> 16;
    bits *= 0x85ebca6bu;
    bits ^= bits >> 13;
    bits *= 0xc2b2ae35u;
    return bits ^ (bits >> 16);
}
