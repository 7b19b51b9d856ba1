// A step from its beginning to its end, and what is called from outside.
#include "trainer.hpp"

#include <thread>

Trainer::Trainer(const Description& given)
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
    for (const Side* side : {&users_, &items_})
        for (const Table* table : {&side->factors, &side->inputs})
            for (const float* numbers : {table->parameter.value, table->parameter.mean, table->parameter.square})
                in_large_pages(numbers, table->parameter.size * sizeof(float));
    pack();
}

void Trainer::restart(int64_t step) {
    made_ = step;
    history_.restart(step);
    for (Side* side : {&users_, &items_}) std::fill(side->last.begin(), side->last.end(), step);
    pack();  // the weights may be others
}

void Trainer::finish() {
    if (given_.optimizer.adam && !given_.every_row)
        for (Side* side : {&users_, &items_}) side->catch_up(made_, history_);
    restart(made_);
}

double Trainer::run(int64_t steps, const int64_t* const* users, const int64_t* const* items, const float* const* labels,
                    const Rates* rates, const uint64_t* seeds) {
    double total = 0;
    auto work = [&](int64_t number) {
        Worker& worker = *workers_[number];
        worker.begin();
        for (int64_t step = 0; step < steps; step++) {
            const int64_t *user = users[step], *item = items[step];
            if (number == 0) users_.begin(user, given_.positives);
            if (number == given_.threads - 1) items_.begin(item, given_.positives * given_.each);
            barrier_.wait();
            worker.passed(FIND);
            look_up(number);
            barrier_.wait();
            worker.passed(LOOK_UP);
            learn(number, user, item, labels[step], seeds[step]);
            barrier_.wait();
            worker.passed(BACKWARD);
            pass_on(number, rates[step]);
            barrier_.wait();
            worker.passed(PASS_ON);
            if (number == 0) total += update_rest(rates[step]);
            if (number == given_.threads - 1) users_.end(), items_.end();
            barrier_.wait();
            worker.passed(FINISH);
        }
    };
    std::vector<std::thread> others;
    for (int64_t number = 1; number < given_.threads; number++) others.emplace_back(work, number);
    work(0);
    for (std::thread& other : others) other.join();
    return total;
}

void Trainer::make(Side& side, int64_t total, int64_t occurring, const Parameter& factors, const Parameter& tower) {
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

void Trainer::pack() {
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

void Trainer::look_up(int64_t number) {
    Worker& worker = *workers_[number];
    look_up(number, users_, first_user_, given_.depth ? static_cast<const float*>(biases_[0]) : nullptr, user_first_);
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

void Trainer::look_up(int64_t number, Side& side, const Matrix& matrix, const float* bias, Buffer& first) {
    const int64_t start = from(number, side.size()), stop = from(number + 1, side.size());
    side.gather(start, stop, made_, history_);
    if (!given_.depth) return;
    const float* rows = side.inputs.rows + start * side.inputs.stride;
    product(stop - start, padded(matrix.out), matrix.in, Left{rows, side.inputs.stride, 1}, matrix.forward,
            padded(matrix.out), first + start * padded(matrix.out), padded(matrix.out), bias, false);
}

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

const double* ncf_seconds(const Trainer* trainer) { return trainer->seconds(); }

void ncf_free(Trainer* trainer) { delete trainer; }
}
