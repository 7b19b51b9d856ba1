// Training steps of GMF, MLP and NeuMF on a CPU: loss, gradients and update, block by block in the cache.
//
// A step has five phases; the threads meet after each:
//
//   begin               users and items: assign a slot to each distinct row of the batch
//   gather_rows         copy these rows, each once, and compute the tower's first layer of each
//   compute_gradients   logits, loss and gradients, a block of samples at a time; each worker has sums of its own
//   update_embeddings   add the workers' sums, go back through the first layer, and update the rows
//   update_dense        update all other parameters (one thread)
#pragma once

#include <memory>
#include <vector>

#include "interface.hpp"
#include "matmul.hpp"
#include "rows.hpp"
#include "worker.hpp"

class Trainer {
  public:
    explicit Trainer(const Config& config);

    // Start from a step that all rows have made.
    void restart(int64_t step);

    // Bring all rows to the last step.
    void finish();

    // Make some steps; returns the sum of their mean losses. `weights` is null if all positives count alike.
    double run(int64_t steps, const int64_t* const* users, const int64_t* const* items, const float* const* labels,
               const float* const* weights, const Rates* rates, const uint64_t* seeds);

    // Of the first worker, by phase.
    const double* seconds() const { return workers_[0]->seconds; }

  private:
    // Of one embedding of the MLP.
    int64_t mlp_dim() const { return config_.num_layers ? widths_[0] / 2 : 0; }

    int64_t shard_start(int64_t thread, int64_t count) const { return ::shard_start(thread, config_.threads, count); }

    // `occurrences`: of rows in a batch, the same row counted again.
    void set_up(Side& side, int64_t num_rows, int64_t occurrences, const Parameter& gmf, const Parameter& mlp);

    void add_worker();

    // Copy the dense weights into the layout of the products.
    void pack_weights();

    void gather_rows(int64_t thread);

    void gather_rows(int64_t thread, Side& side, const Matrix& matrix, const float* bias, Buffer& first);

    void compute_gradients(int64_t thread, const int64_t* users, const int64_t* items, const float* labels,
                           const float* weights, uint64_t seed);

    // Of a block of positives with their negatives; `first` is the index of its first sample in the step.
    void block_gradients(Worker& worker, int64_t positives, const int64_t* users, const int64_t* items,
                         const float* labels, const float* weights, int64_t first, uint64_t seed);

    // Of the block's slots, the rows of four arrays.
    void prefetch_rows(const Worker& worker, int64_t positives, const float* user_gmf, const float* item_gmf,
                       const float* user_first, const float* item_first) const;

    // Paper, equations 8 and 9.
    void gmf_forward(Worker& worker, int64_t positives);

    void gmf_backward(Worker& worker, int64_t positives);

    // Paper, equation 10.
    void mlp_forward(Worker& worker, int64_t positives, int64_t first, uint64_t seed);

    void relu_dropout(float* hidden, int64_t samples, int64_t width, int64_t first, uint64_t seed);

    void mlp_backward(Worker& worker, int64_t positives);

    // Turns gradients of the outputs into gradients of the inputs, in place, and adds their sums over samples to
    // `total`.
    void relu_dropout_backward(float* gradient, const float* hidden, int64_t samples, int64_t width, float* total);

    // The loss, and its gradient with respect to the logits.
    void loss_gradient(Worker& worker, int64_t positives, const float* labels, const float* weights);

    void update_embeddings(int64_t thread, const Rates& rates);

    void update_embeddings(int64_t thread, Side& side, int64_t occurrences, const Matrix& matrix,
                           Buffer Worker::* first_grads, Buffer Worker::* gmf_grads, Buffer& weight_grads,
                           const Rates& rates);

    // Adds the workers' sums to the first worker's, and returns those.
    float* sum_over_workers(Buffer Worker::* sums, int64_t offset, int64_t count);

    void update_rows(Side& side, Table& table, int64_t start, int64_t count, float* grads, int64_t occurrences,
                     const Rates& rates, double& loss);

    // All parameters but the embeddings; returns the step's loss.
    double update_dense(const Rates& rates);

    void update_matrix(const Parameter& weight, int64_t column, const float* grads, int64_t in, int64_t out,
                       int64_t stride, const Rates& rates);

    void update_parameter(const Parameter& parameter, const float* grads, const Rates& rates);

    const Config config_;
    const std::vector<int64_t> widths_;
    const std::vector<Layer> layers_;
    History history_;
    Barrier barrier_;
    Side users_, items_;
    Matrix first_user_, first_item_;  // halves of the first layer
    Buffer user_first_, item_first_;  // their products with the rows, by slot: [slots, padded(widths[1])]
    std::vector<Matrix> matrices_;    // by layer; empty for the first
    std::vector<Buffer> biases_;
    Buffer mlp_head_, gmf_head_;
    std::vector<std::unique_ptr<Worker>> workers_;
    int64_t step_ = 0;  // steps made
};
