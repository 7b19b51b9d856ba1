// Training steps of GMF, MLP and NeuMF on a CPU: loss, gradients and update, block by block in the cache.
//
// A step goes through five phases; the workers meet between them:
//
//   look up   the distinct rows of the batch, each once, with the tower's first layer of each
//   learn     logits, loss and gradients of a block of samples at a time; each worker has sums of its own
//   pass on   the sums by distinct row go through the first layer, and its rows are updated
//   finish    the other parameters are updated (by one worker)
//   begin     the distinct rows of the next batch are found
#include <atomic>
#include <memory>
#include <thread>

#include "losses.hpp"
#include "products.hpp"
#include "random.hpp"
#include "rows.hpp"

constexpr int64_t BLOCK = 128;  // samples, whose hidden units stay in the cache

enum Loss : int32_t { BCE, MSE, LEAST_SQUARES, BPR };

struct Layer {
    Parameter weight, bias;  // [out, in], [out]
};

struct Description {
    int64_t num_users, num_items;
    int64_t factors;  // of GMF; 0: none
    int64_t depth;    // layers of the tower; 0: none
    const int64_t* widths;
    Parameter factors_users, factors_items, factors_head, factors_bias;
    Parameter tower_users, tower_items, tower_head, tower_bias;
    const Layer* layers;
    Optimizer optimizer;
    int32_t loss;
    int32_t every_row;  // whether rows without a gradient change by more than their moments
    double dropout, l2_samples, l2_tables;
    int64_t positives, each;  // of a step; samples of a positive
    int64_t threads;
};

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

// A worker's sums over its samples, and what it needs for a block of them.
struct Worker {
    std::vector<Buffer> hidden;               // by layer, [BLOCK, padded(out)]
    std::vector<Buffer> weights, biases;      // gradients by layer; of the first, its halves are below
    Buffer user_half, item_half;              // gradients of the first layer's halves, [out, padded(in)]
    Buffer tower_head, factors_head;          // gradients
    Buffer by_user_first, by_item_first;      // gradients of the first layer's outputs by slot, [slots, padded(out)]
    Buffer by_user_factors, by_item_factors;  // gradients of GMF's rows by slot
    Buffer above, below;                      // gradients of a layer's outputs and inputs, [BLOCK, widest]
    alignas(64) float logits[BLOCK], slopes[BLOCK], chances[BLOCK], softened[BLOCK];
    double bias = 0, loss = 0;
};

class Trainer {
  public:
    explicit Trainer(const Description& given)
        : given_(given),
          widths_(given.widths, given.widths + (given.depth ? given.depth + 1 : 0)),
          layers_(given.layers, given.layers + given.depth),
          history_(given.optimizer),
          barrier_(given.threads) {
        const int64_t samples = given.positives * given.each;
        make(users_, given.num_users, given.positives, given.factors_users, given.tower_users);
        make(items_, given.num_items, samples, given.factors_items, given.tower_items);
        int64_t widest = LANES;
        for (int64_t layer = 1; layer <= given.depth; layer++) widest = std::max(widest, padded(widths_[layer]));
        if (given.depth) {
            first_user_ = Matrix(widths_[0] / 2, widths_[1]);
            first_item_ = Matrix(widths_[0] / 2, widths_[1]);
            user_first_ = Buffer(users_.inputs.rows.size() / users_.inputs.stride * padded(widths_[1]));
            item_first_ = Buffer(items_.inputs.rows.size() / items_.inputs.stride * padded(widths_[1]));
            head_ = Buffer(widths_.back());
        }
        factors_head_ = Buffer(given.factors);
        for (int64_t layer = 0; layer < given.depth; layer++) {
            biases_.emplace_back(widths_[layer + 1]);
            matrices_.emplace_back(layer ? Matrix(widths_[layer], widths_[layer + 1]) : Matrix());
        }
        for (int64_t number = 0; number < given.threads; number++) {
            workers_.push_back(std::make_unique<Worker>());
            Worker& worker = *workers_.back();
            for (int64_t layer = 0; layer < given.depth; layer++) {
                const int64_t in = widths_[layer], out = widths_[layer + 1];
                worker.hidden.emplace_back(BLOCK * padded(out));
                worker.weights.emplace_back(layer ? out * padded(in) : 0);
                worker.biases.emplace_back(out);
            }
            if (given.depth) {
                worker.user_half = Buffer(first_user_.backward.size());
                worker.item_half = Buffer(first_item_.backward.size());
                worker.tower_head = Buffer(widths_.back());
                worker.by_user_first = Buffer(user_first_.size());
                worker.by_item_first = Buffer(item_first_.size());
            }
            worker.factors_head = Buffer(given.factors);
            worker.by_user_factors = Buffer(users_.factors.rows.size());
            worker.by_item_factors = Buffer(items_.factors.rows.size());
            worker.above = Buffer(BLOCK * std::max(widest, padded(std::max(given.factors, inputs()))));
            worker.below = Buffer(worker.above.size());
        }
        pack();
    }

    // Begin after so many steps, which all rows have made.
    void restart(int64_t step) {
        made_ = step;
        history_.restart(step);
        for (Side* side : {&users_, &items_}) std::fill(side->last.begin(), side->last.end(), step);
        pack();  // the weights may be others
    }

    // Bring all rows to the last step.
    void finish() {
        if (given_.optimizer.adam && !given_.every_row)
            for (Side* side : {&users_, &items_}) side->catch_up(made_, history_);
        restart(made_);
    }

    // Make steps; the sum of their mean losses.
    double run(int64_t steps, const int64_t* const* users, const int64_t* const* items, const float* const* labels,
               const Rates* rates, const uint64_t* seeds) {
        double total = 0;
        auto work = [&](int64_t number) {
            for (int64_t step = 0; step < steps; step++) {
                const int64_t *user = users[step], *item = items[step];
                if (number == 0) begin(users_, user, given_.positives);
                if (number == given_.threads - 1) begin(items_, item, given_.positives * given_.each);
                barrier_.wait();
                look_up(number);
                barrier_.wait();
                learn(number, user, item, labels[step], seeds[step]);
                barrier_.wait();
                pass_on(number, rates[step]);
                barrier_.wait();
                if (number == 0) total += update_rest(rates[step]);
                if (number == given_.threads - 1) users_.end(), items_.end();
                barrier_.wait();
            }
        };
        std::vector<std::thread> others;
        for (int64_t number = 1; number < given_.threads; number++) others.emplace_back(work, number);
        work(0);
        for (std::thread& other : others) other.join();
        return total;
    }

  private:
    int64_t inputs() const { return given_.depth ? widths_[0] / 2 : 0; }

    void make(Side& side, int64_t total, int64_t occurring, const Parameter& factors, const Parameter& tower) {
        const int64_t slots = given_.every_row ? total : std::min(total, occurring);
        side.total = total;
        side.every_row = given_.every_row;
        side.last.assign(total, 0);
        side.slots.assign(total, -1);
        side.counts.assign(slots, 0);
        side.factors = Table(factors, given_.factors, slots);
        side.inputs = Table(tower, inputs(), slots);
        for (int64_t row = 0; side.every_row && row < total; row++) {
            side.slots[row] = row;
            side.used.push_back(row);
        }
    }

    void begin(Side& side, const int64_t* rows, int64_t count) { side.begin(rows, count); }

    // The part of so many things that a worker takes.
    int64_t from(int64_t number, int64_t count) const { return count * number / given_.threads; }

    void pack() {
        for (int64_t layer = 0; layer < given_.depth; layer++) {
            const float* weight = layers_[layer].weight.value;
            if (layer == 0) {
                first_user_.pack(weight, widths_[0]);
                first_item_.pack(weight + inputs(), widths_[0]);
            } else {
                matrices_[layer].pack(weight, widths_[layer]);
            }
            std::copy_n(layers_[layer].bias.value, widths_[layer + 1], static_cast<float*>(biases_[layer]));
        }
        if (given_.depth) std::copy_n(given_.tower_head.value, widths_.back(), static_cast<float*>(head_));
        if (given_.factors) std::copy_n(given_.factors_head.value, given_.factors, static_cast<float*>(factors_head_));
    }

    void look_up(int64_t number) {
        Worker& worker = *workers_[number];
        look_up(number, users_, first_user_, given_.depth ? static_cast<const float*>(biases_[0]) : nullptr,
                user_first_);
        look_up(number, items_, first_item_, nullptr, item_first_);
        for (Buffer& gradient : worker.weights) gradient.zero();
        for (Buffer& gradient : worker.biases) gradient.zero();
        for (Buffer* gradient : {&worker.user_half, &worker.item_half, &worker.tower_head, &worker.factors_head})
            gradient->zero();
        if (given_.depth) {
            worker.by_user_first.zero(users_.size() * padded(widths_[1]));
            worker.by_item_first.zero(items_.size() * padded(widths_[1]));
        }
        worker.by_user_factors.zero(users_.size() * users_.factors.stride);
        worker.by_item_factors.zero(items_.size() * items_.factors.stride);
        worker.bias = worker.loss = 0;
    }

    void look_up(int64_t number, Side& side, const Matrix& matrix, const float* bias, Buffer& first) {
        const int64_t start = from(number, side.size()), stop = from(number + 1, side.size());
        side.gather(start, stop, made_, history_);
        if (!given_.depth) return;
        const float* rows = side.inputs.rows + start * side.inputs.stride;
        product(stop - start, padded(matrix.out), matrix.in, Left{rows, side.inputs.stride, 1}, matrix.forward,
                padded(matrix.out), first + start * padded(matrix.out), padded(matrix.out), bias, false);
    }

    void learn(int64_t number, const int64_t* users, const int64_t* items, const float* labels, uint64_t seed) {
        const int64_t together = std::max<int64_t>(1, BLOCK / given_.each),
                      blocks = (given_.positives + together - 1) / together;
        for (int64_t block = from(number, blocks); block < from(number + 1, blocks); block++) {
            const int64_t first = block * together, count = std::min(together, given_.positives - first);
            learn_block(*workers_[number], count, users + first, items + first * given_.each,
                        labels + first * given_.each, first * given_.each, seed);
        }
    }

    // Of some positives with their negatives; `place` is that of the first sample in the step.
    void learn_block(Worker& worker, int64_t positives, const int64_t* users, const int64_t* items, const float* labels,
                     int64_t place, uint64_t seed) {
        const int64_t samples = positives * given_.each;
        std::fill_n(worker.logits, samples, given_.factors ? *given_.factors_bias.value : 0.0f);
        if (given_.factors) score_factors(worker, positives, users, items);
        if (given_.depth) score_tower(worker, positives, users, items, place, seed);
        learn_slopes(worker, positives, labels);
        for (int64_t sample = 0; given_.loss != BPR && sample < samples; sample++) worker.bias += worker.slopes[sample];
        if (given_.factors) learn_factors(worker, positives, users, items);
        if (given_.depth) learn_tower(worker, positives, users, items);
    }

    // Paper, equations 8 and 9.
    void score_factors(Worker& worker, int64_t positives, const int64_t* users, const int64_t* items) {
        const int64_t stride = users_.factors.stride;
        for (int64_t positive = 0; positive < positives; positive++) {
            const float* user = users_.factors.rows + users_.slots[users[positive]] * stride;
            for (int64_t sample = positive * given_.each; sample < (positive + 1) * given_.each; sample++) {
                const float* item = items_.factors.rows + items_.slots[items[sample]] * stride;
                Lanes total{};
                for (int64_t i = 0; i < stride; i += LANES)
                    total += lanes(user + i) * lanes(item + i) * lanes(factors_head_ + i);
                worker.logits[sample] += sum(total);
            }
        }
    }

    void learn_factors(Worker& worker, int64_t positives, const int64_t* users, const int64_t* items) {
        const int64_t stride = users_.factors.stride;
        for (int64_t positive = 0; positive < positives; positive++) {
            const int64_t user_place = users_.slots[users[positive]] * stride;
            const float* user = users_.factors.rows + user_place;
            float* weighed = worker.above;  // sum of slope * item
            std::fill_n(weighed, stride, 0.0f);
            for (int64_t sample = positive * given_.each; sample < (positive + 1) * given_.each; sample++) {
                const int64_t item_place = items_.slots[items[sample]] * stride;
                const float* item = items_.factors.rows + item_place;
                float* of_item = worker.by_item_factors + item_place;
                const Lanes slope = all(worker.slopes[sample]);
                for (int64_t i = 0; i < stride; i += LANES) {
                    lanes(weighed + i) += slope * lanes(item + i);
                    lanes(of_item + i) += slope * lanes(factors_head_ + i) * lanes(user + i);
                }
            }
            float* of_user = worker.by_user_factors + user_place;
            for (int64_t i = 0; i < stride; i += LANES) {
                lanes(of_user + i) += lanes(weighed + i) * lanes(factors_head_ + i);
                lanes(worker.factors_head + i) += lanes(weighed + i) * lanes(user + i);
            }
        }
    }

    // Paper, equation 10.
    void score_tower(Worker& worker, int64_t positives, const int64_t* users, const int64_t* items, int64_t place,
                     uint64_t seed) {
        const int64_t samples = positives * given_.each, first = padded(widths_[1]);
        float* hidden = worker.hidden[0];
        for (int64_t positive = 0; positive < positives; positive++) {
            const float* user = user_first_ + users_.slots[users[positive]] * first;
            for (int64_t sample = positive * given_.each; sample < (positive + 1) * given_.each; sample++) {
                const float* item = item_first_ + items_.slots[items[sample]] * first;
                for (int64_t i = 0; i < first; i += LANES)
                    lanes(hidden + sample * first + i) = lanes(user + i) + lanes(item + i);
            }
        }
        activate(hidden, samples, first, place, finalized(seed));
        for (int64_t layer = 1; layer < given_.depth; layer++) {
            const int64_t in = padded(widths_[layer]), out = padded(widths_[layer + 1]);
            product(samples, out, widths_[layer], Left{worker.hidden[layer - 1], in, 1}, matrices_[layer].forward, out,
                    worker.hidden[layer], out, biases_[layer], false);
            activate(worker.hidden[layer], samples, out, place, finalized(seed + layer * GAMMA));
        }
        const int64_t last = padded(widths_.back());
        const float* outputs = worker.hidden.back();
        for (int64_t sample = 0; sample < samples; sample++) {
            Lanes total{};
            for (int64_t i = 0; i < last; i += LANES) total += lanes(outputs + sample * last + i) * lanes(head_ + i);
            worker.logits[sample] += sum(total) + *given_.tower_bias.value;
        }
    }

    // relu, and dropout.
    void activate(float* hidden, int64_t samples, int64_t width, int64_t place, uint64_t seed) {
        const int64_t count = samples * width;
        if (given_.dropout <= 0) {
            for (int64_t i = 0; i < count; i += LANES)
                lanes(hidden + i) = lanes(hidden + i) < 0 ? Lanes{} : lanes(hidden + i);
            return;
        }
        const Lanes scale = all(1 / (1 - given_.dropout));
        const Bits least = Bits{} + static_cast<uint32_t>(given_.dropout * 4294967296.0);
        Bits number = Bits{} + static_cast<uint32_t>(place * width);
        for (int64_t lane = 0; lane < LANES; lane++) number[lane] += lane;
        const Bits key = Bits{} + static_cast<uint32_t>(seed), other = Bits{} + static_cast<uint32_t>(seed >> 32);
        for (int64_t i = 0; i < count; i += LANES, number += LANES) {
            const Mask drops = finalized((number ^ key) * 0x9e3779b9u + other) < least;
            const Lanes found = lanes(hidden + i);
            lanes(hidden + i) = (drops | (found < 0)) ? Lanes{} : found * scale;
        }
    }

    void learn_tower(Worker& worker, int64_t positives, const int64_t* users, const int64_t* items) {
        const int64_t samples = positives * given_.each;
        const int64_t last = padded(widths_.back());
        float *above = worker.above, *below = worker.below;
        const float* outputs = worker.hidden.back();
        for (int64_t i = 0; i < last; i += LANES) {
            const Lanes head = lanes(head_ + i);
            Lanes of_head{};
            for (int64_t sample = 0; sample < samples; sample++) {
                const Lanes slope = all(worker.slopes[sample]);
                of_head += slope * lanes(outputs + sample * last + i);
                lanes(above + sample * last + i) = slope * head;
            }
            lanes(worker.tower_head + i) += of_head;
        }
        for (int64_t layer = given_.depth - 1; layer > 0; layer--) {
            const int64_t in = padded(widths_[layer]), out = padded(widths_[layer + 1]);
            deactivate(above, worker.hidden[layer], samples, out, worker.biases[layer]);
            product(widths_[layer + 1], in, samples, Left{above, 1, out}, worker.hidden[layer - 1], in,
                    worker.weights[layer], in, nullptr, true);
            product(samples, in, widths_[layer + 1], Left{above, out, 1}, matrices_[layer].backward, in, below, in,
                    nullptr, false);
            std::swap(above, below);
        }
        const int64_t first = padded(widths_[1]);
        deactivate(above, worker.hidden[0], samples, first, worker.biases[0]);
        for (int64_t positive = 0; positive < positives; positive++) {
            float* user = worker.by_user_first + users_.slots[users[positive]] * first;
            for (int64_t sample = positive * given_.each; sample < (positive + 1) * given_.each; sample++) {
                float* item = worker.by_item_first + items_.slots[items[sample]] * first;
                accumulate(item, above + sample * first, first);
                accumulate(user, above + sample * first, first);
            }
        }
    }

    // From the gradients of a layer's outputs to those of its sums, which are also summed up.
    void deactivate(float* gradient, const float* hidden, int64_t samples, int64_t width, float* total) {
        const Lanes scale = all(1 / (1 - given_.dropout));
        for (int64_t i = 0; i < width; i += LANES) {
            Lanes all_samples{};
            for (int64_t place = i; place < samples * width; place += width) {
                const Lanes found = lanes(hidden + place) <= 0 ? Lanes{} : lanes(gradient + place) * scale;
                lanes(gradient + place) = found;
                all_samples += found;
            }
            lanes(total + i) += all_samples;
        }
    }

    // The loss, and its gradient by the logits.
    void learn_slopes(Worker& worker, int64_t positives, const float* labels) {
        const int64_t each = given_.each, samples = positives * each;
        float *logits = worker.logits, *slopes = worker.slopes, *chances = worker.chances, *softened = worker.softened;
        if (given_.loss == BPR)
            for (int64_t first = 0; first < samples; first += each)
                for (int64_t sample = first + 1; sample < first + each; sample++) logits[sample] -= logits[first];
        if (given_.loss != LEAST_SQUARES)
            for (int64_t i = 0; i < samples; i += LANES) logistic(lanes(logits + i), chances + i, softened + i);
        const float share = 1.0f / (given_.positives * (given_.loss == BPR ? each - 1 : each));
        float total = 0;
        for (int64_t sample = 0; sample < samples; sample++) {
            const float logit = logits[sample], chance = chances[sample];
            if (given_.loss == BCE) {
                slopes[sample] = (chance - labels[sample]) * share;
                total += softened[sample] - logit * labels[sample];
            } else if (given_.loss == MSE) {
                const float error = chance - labels[sample];
                slopes[sample] = 2 * error * chance * (1 - chance) * share;
                total += error * error;
            } else if (given_.loss == LEAST_SQUARES) {
                const float error = logit - labels[sample];
                slopes[sample] = 2 * error * share;
                total += error * error;
            } else if (sample % each == 0) {
                slopes[sample] = 0;
            } else {
                slopes[sample] = chance * share;
                slopes[sample - sample % each] -= slopes[sample];
                total += softened[sample];
            }
        }
        worker.loss += total * share;
    }

    void pass_on(int64_t number, const Rates& rates) {
        pass_on(number, users_, given_.positives, first_user_, &Worker::by_user_first, &Worker::by_user_factors,
                workers_[number]->user_half, rates);
        pass_on(number, items_, given_.positives * given_.each, first_item_, &Worker::by_item_first,
                &Worker::by_item_factors, workers_[number]->item_half, rates);
    }

    void pass_on(int64_t number, Side& side, int64_t occurring, const Matrix& matrix, Buffer Worker::* by_first,
                 Buffer Worker::* by_factors, Buffer& of_matrix, const Rates& rates) {
        Worker& worker = *workers_[number];
        const int64_t stop = from(number + 1, side.size());
        for (int64_t start = from(number, side.size()); start < stop; start += BLOCK) {
            const int64_t count = std::min(BLOCK, stop - start);
            if (given_.depth) {
                const int64_t out = padded(matrix.out), in = side.inputs.stride;
                const float* first = together(by_first, start * out, count * out);
                const float* rows = side.inputs.rows + start * in;
                product(matrix.out, in, count, Left{first, 1, out}, rows, in, of_matrix, in, nullptr, true);
                product(count, in, matrix.out, Left{first, out, 1}, matrix.backward, in, worker.below, in, nullptr,
                        false);
                update_rows(side, side.inputs, start, count, worker.below, occurring, rates, worker.loss);
            }
            if (given_.factors) {
                const int64_t width = side.factors.stride;
                update_rows(side, side.factors, start, count, together(by_factors, start * width, count * width),
                            occurring, rates, worker.loss);
            }
            for (int64_t slot = start; slot < start + count; slot++) side.last[side.used[slot]] = made_ + 1;
        }
    }

    // The workers' sums added up, in the first one's.
    float* together(Buffer Worker::* sums, int64_t place, int64_t count) {
        float* total = workers_[0].get()->*sums + place;
        for (int64_t number = 1; number < given_.threads; number++)
            accumulate(total, workers_[number].get()->*sums + place, count);
        return total;
    }

    void update_rows(Side& side, Table& table, int64_t start, int64_t count, float* gradients, int64_t occurring,
                     const Rates& rates, double& loss) {
        for (int64_t slot = start; slot < start + count; slot++, gradients += table.stride) {
            const float* found = table.rows + slot * table.stride;
            const double l2 = given_.l2_tables + given_.l2_samples * side.counts[slot] / occurring;
            if (l2 > 0) {
                float length = 0;
                const float twice = 2 * l2;
                for (int64_t i = 0; i < table.width; i++) {
                    gradients[i] += twice * found[i];
                    length += found[i] * found[i];
                }
                loss += l2 * length;
            }
            const int64_t row = side.used[slot], missed = made_ - side.last[row];
            update(table.parameter, row * table.width, table.width, found, gradients, given_.optimizer, rates,
                   history_.mean_left(missed), history_.square_left(missed));
        }
    }

    // The parameters that are no rows; returns the step's loss.
    double update_rest(const Rates& rates) {
        Worker& total = *workers_[0];
        for (int64_t number = 1; number < given_.threads; number++) {
            Worker& worker = *workers_[number];
            for (int64_t layer = 0; layer < given_.depth; layer++) {
                accumulate(total.weights[layer], worker.weights[layer], total.weights[layer].size());
                accumulate(total.biases[layer], worker.biases[layer], total.biases[layer].size());
            }
            accumulate(total.user_half, worker.user_half, total.user_half.size());
            accumulate(total.item_half, worker.item_half, total.item_half.size());
            accumulate(total.tower_head, worker.tower_head, total.tower_head.size());
            accumulate(total.factors_head, worker.factors_head, total.factors_head.size());
            total.bias += worker.bias;
            total.loss += worker.loss;
        }
        for (int64_t layer = 0; layer < given_.depth; layer++) {
            const Parameter& weight = layers_[layer].weight;
            if (layer == 0) {
                update_matrix(weight, 0, total.user_half, inputs(), widths_[1], widths_[0], rates);
                update_matrix(weight, inputs(), total.item_half, inputs(), widths_[1], widths_[0], rates);
            } else {
                update_matrix(weight, 0, total.weights[layer], widths_[layer], widths_[layer + 1], widths_[layer],
                              rates);
            }
            update_whole(layers_[layer].bias, total.biases[layer], rates);
        }
        const float bias = total.bias;
        if (given_.depth)
            update_whole(given_.tower_head, total.tower_head, rates), update_whole(given_.tower_bias, &bias, rates);
        if (given_.factors)
            update_whole(given_.factors_head, total.factors_head, rates),
                update_whole(given_.factors_bias, &bias, rates);
        made_++;
        if (given_.optimizer.adam && !given_.every_row) history_.add(rates);
        pack();
        return total.loss;
    }

    void update_matrix(const Parameter& weight, int64_t column, const float* gradient, int64_t in, int64_t out,
                       int64_t stride, const Rates& rates) {
        for (int64_t row = 0; weight.trained && row < out; row++) {
            const int64_t place = row * stride + column;
            update(weight, place, in, weight.value + place, gradient + row * padded(in), given_.optimizer, rates);
        }
    }

    void update_whole(const Parameter& parameter, const float* gradient, const Rates& rates) {
        if (parameter.trained) update(parameter, 0, parameter.size, parameter.value, gradient, given_.optimizer, rates);
    }

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

extern "C" {

Trainer* ncf_make(const Description* given) {
    try {
        return new Trainer(*given);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void ncf_restart(Trainer* trainer, int64_t step) { trainer->restart(step); }

void ncf_finish(Trainer* trainer) { trainer->finish(); }

double ncf_run(Trainer* trainer, int64_t steps, const int64_t* const* users, const int64_t* const* items,
               const float* const* labels, const Rates* rates, const uint64_t* seeds) {
    return trainer->run(steps, users, items, labels, rates, seeds);
}

void ncf_free(Trainer* trainer) { delete trainer; }
}
