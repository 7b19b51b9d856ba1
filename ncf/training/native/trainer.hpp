// Training steps of GMF, MLP and NeuMF on a CPU: loss, gradients and update, block by block in the cache.
//
// A step goes through five phases; the workers meet between them:
//
//   find      the distinct rows of the batch
//   look up   these rows, each once, with the tower's first layer of each
//   learn     logits, loss and gradients of a block of samples at a time; each worker has sums of its own
//   pass on   the sums by distinct row go through the first layer, and its rows are updated
//   finish    the other parameters are updated (by one worker)
#pragma once

#include <memory>
#include <vector>

#include "description.hpp"
#include "layers.hpp"
#include "rows.hpp"
#include "worker.hpp"

class Trainer {
  public:
    explicit Trainer(const Description& given);

    // Begin after so many steps, which all rows have made.
    void restart(int64_t step);

    // Bring all rows to the last step.
    void finish();

    // Make steps; the sum of their mean losses.
    double run(int64_t steps, const int64_t* const* users, const int64_t* const* items, const float* const* labels,
               const Rates* rates, const uint64_t* seeds);

    // Of the first worker, by part.
    const double* seconds() const { return workers_[0]->seconds; }

  private:
    int64_t inputs() const { return given_.depth ? widths_[0] / 2 : 0; }

    void make(Side& side, int64_t total, int64_t occurring, const Parameter& factors, const Parameter& tower);

    // The part of so many things that a worker takes.
    int64_t from(int64_t number, int64_t count) const { return count * number / given_.threads; }

    void pack();

    void look_up(int64_t number);

    void look_up(int64_t number, Side& side, const Matrix& matrix, const float* bias, Buffer& first);

    void learn(int64_t number, const int64_t* users, const int64_t* items, const float* labels, uint64_t seed);

    // Of some positives with their negatives; `place` is that of the first sample in the step.
    void learn_block(Worker& worker, int64_t positives, const int64_t* users, const int64_t* items, const float* labels,
                     int64_t place, uint64_t seed);

    // Call for numbers of the block's slots: of GMF's rows, and of the first layer.
    void call_for(const Worker& worker, int64_t positives, const float* user_factors, const float* item_factors,
                  const float* user_first, const float* item_first) const;

    // Paper, equations 8 and 9.
    void score_factors(Worker& worker, int64_t positives);

    void learn_factors(Worker& worker, int64_t positives);

    // Paper, equation 10.
    void score_tower(Worker& worker, int64_t positives, int64_t place, uint64_t seed);

    // relu, and dropout.
    void activate(float* hidden, int64_t samples, int64_t width, int64_t place, uint64_t seed);

    void learn_tower(Worker& worker, int64_t positives);

    // From the gradients of a layer's outputs to those of its sums, which are also summed up.
    void deactivate(float* gradient, const float* hidden, int64_t samples, int64_t width, float* total);

    // The loss, and its gradient by the logits.
    void learn_slopes(Worker& worker, int64_t positives, const float* labels);

    void pass_on(int64_t number, const Rates& rates);

    void pass_on(int64_t number, Side& side, int64_t occurring, const Matrix& matrix, Buffer Worker::* by_first,
                 Buffer Worker::* by_factors, Buffer& of_matrix, const Rates& rates);

    // The workers' sums added up, in the first one's.
    float* together(Buffer Worker::* sums, int64_t place, int64_t count);

    void update_rows(Side& side, Table& table, int64_t start, int64_t count, float* gradients, int64_t occurring,
                     const Rates& rates, double& loss);

    // The parameters that are no rows; returns the step's loss.
    double update_rest(const Rates& rates);

    void update_matrix(const Parameter& weight, int64_t column, const float* gradient, int64_t in, int64_t out,
                       int64_t stride, const Rates& rates);

    void update_whole(const Parameter& parameter, const float* gradient, const Rates& rates);

    const Description given_;
    const std::vector<int64_t> widths_;
    const std::vector<Layer> layers_;
    History history_;
    Barrier barrier_;
    Side users_, items_;
    Matrix first_user_, first_item_;
    Buffer user_first_, item_first_;  // the first layer's halves of the slots, before they are added
    std::vector<Matrix> matrices_;
    std::vector<Buffer> biases_;
    Buffer head_, factors_head_;
    std::vector<std::unique_ptr<Worker>> workers_;
    int64_t made_ = 0;
};
