// What each worker has of its own, and a barrier for all of them.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "interface.hpp"
#include "vectors.hpp"

constexpr int64_t BLOCK = 128;  // samples at a time, so that their hidden units stay in the cache

// Where the shard of a thread begins.
inline int64_t shard_start(int64_t thread, int64_t threads, int64_t count) { return count * thread / threads; }

template <class Work>
void run_threads(int64_t threads, Work work) {
    std::vector<std::thread> others;
    for (int64_t thread = 1; thread < threads; thread++) others.emplace_back(work, thread);
    work(0);
    for (std::thread& other : others) other.join();
}

// All threads wait here for each other.
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
            if (tries > 4096) std::this_thread::yield();  // the others may need this core
    }

  private:
    const int64_t count_;
    std::atomic<int64_t> arrived_{0}, turn_{0};
};

// A worker's sums over its samples, and what it needs for a block of them.
struct Worker {
    std::vector<Buffer> hidden;                    // by layer: activations, [BLOCK, padded(out)]
    std::vector<Buffer> weight_grads, bias_grads;  // by layer; the weights of the first are below, in halves
    Buffer user_weight_grads, item_weight_grads;   // of the first layer's halves, [out, padded(in)]
    Buffer mlp_head_grads, gmf_head_grads;
    Buffer user_first_grads, item_first_grads;  // of the first layer's outputs, [slots, padded(out)]
    Buffer user_gmf_grads, item_gmf_grads;      // of GMF's rows, [slots, stride]
    Buffer output_grads, input_grads;           // of one layer, [BLOCK, widest]
    std::vector<Buffer*> dense_grads;           // all of the above that are not by slot
    int32_t user_slots[BLOCK], item_slots[BLOCK];
    alignas(64) float logits[BLOCK], logit_grads[BLOCK], probabilities[BLOCK], softplus[BLOCK];
    double bias_grad = 0, loss = 0;
    double seconds[NUM_PHASES] = {};

    void start_clock() { since_ = std::chrono::steady_clock::now(); }

    // Add the time since the last call to a phase.
    void record(Phase phase) {
        const auto now = std::chrono::steady_clock::now();
        seconds[phase] += std::chrono::duration<double>(now - since_).count();
        since_ = now;
    }

  private:
    std::chrono::steady_clock::time_point since_;
};
