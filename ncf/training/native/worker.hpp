// What a worker has for itself, and how workers wait for each other.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "products.hpp"

constexpr int64_t BLOCK = 128;  // samples, whose hidden units stay in the cache

class Barrier {
  public:
    explicit Barrier(int64_t count) : count_(count) {}
    void wait() {
        if (count_ == 1) return;
        const int64_t turn = turn_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
            arrived_.store(0, std::memory_order_relaxed);
            turn_.store(turn + 1, std::memory_order_release);
            return;
        }
        for (int64_t tries = 0; turn_.load(std::memory_order_acquire) == turn; tries++)
            if (tries > 4096) std::this_thread::yield();  // another's work may stand where ours waits
    }

  private:
    const int64_t count_;
    std::atomic<int64_t> arrived_{0}, turn_{0};
};

// Where a step's time goes; in the order of native/step.py.
enum Part { FIND, LOOK_UP, FORWARD, LOSS, BACKWARD, PASS_ON, FINISH, PARTS };

// A worker's sums over its samples, and what it needs for a block of them.
struct Worker {
    std::vector<Buffer> hidden;               // by layer, [BLOCK, padded(out)]
    std::vector<Buffer> weights, biases;      // gradients by layer; of the first, its halves are below
    Buffer user_half, item_half;              // gradients of the first layer's halves, [out, padded(in)]
    Buffer tower_head, factors_head;          // gradients
    Buffer by_user_first, by_item_first;      // gradients of the first layer's outputs by slot, [slots, padded(out)]
    Buffer by_user_factors, by_item_factors;  // gradients of GMF's rows by slot
    Buffer above, below;                      // gradients of a layer's outputs and inputs, [BLOCK, widest]
    int32_t user_slots[BLOCK], item_slots[BLOCK];
    alignas(64) float logits[BLOCK], slopes[BLOCK], chances[BLOCK], softened[BLOCK];
    double bias = 0, loss = 0;
    double seconds[PARTS] = {};

    // What went by since the last call counts for this part.
    void passed(Part part) {
        const auto now = std::chrono::steady_clock::now();
        seconds[part] += std::chrono::duration<double>(now - since_).count();
        since_ = now;
    }

    void begin() { since_ = std::chrono::steady_clock::now(); }

  private:
    std::chrono::steady_clock::time_point since_;
};
