// A step from its beginning to its end.
#include "trainer.hpp"

Trainer::Trainer(const Config& config)
    : config_(config),
      widths_(config.widths, config.widths + (config.num_layers ? config.num_layers + 1 : 0)),
      layers_(config.layers, config.layers + config.num_layers),
      history_(config.optimizer),
      barrier_(config.threads) {
    const int64_t samples = config.positives * config.group_size;
    set_up(users_, config.num_users, config.positives, config.gmf_users, config.mlp_users);
    set_up(items_, config.num_items, samples, config.gmf_items, config.mlp_items);
    if (config.num_layers) {
        first_user_ = Matrix(widths_[0] / 2, widths_[1]);
        first_item_ = Matrix(widths_[0] / 2, widths_[1]);
        user_first_ = Buffer(users_.mlp.rows.size() / users_.mlp.stride * padded(widths_[1]));
        item_first_ = Buffer(items_.mlp.rows.size() / items_.mlp.stride * padded(widths_[1]));
        mlp_head_ = Buffer(widths_.back());
    }
    gmf_head_ = Buffer(config.gmf_dim);
    for (int64_t layer = 0; layer < config.num_layers; layer++) {
        biases_.emplace_back(widths_[layer + 1]);
        matrices_.emplace_back(layer ? Matrix(widths_[layer], widths_[layer + 1]) : Matrix());
    }
    for (int64_t thread = 0; thread < config.threads; thread++) add_worker();
    for (const Side* side : {&users_, &items_})
        for (const Table* table : {&side->gmf, &side->mlp})
            for (const float* numbers : {table->parameter.value, table->parameter.mean, table->parameter.square})
                use_large_pages(numbers, table->parameter.size * sizeof(float));
    pack_weights();
}

void Trainer::add_worker() {
    workers_.push_back(std::make_unique<Worker>());
    Worker& worker = *workers_.back();
    for (int64_t layer = 0; layer < config_.num_layers; layer++) {
        const int64_t in = widths_[layer], out = widths_[layer + 1];
        worker.hidden.emplace_back(BLOCK * padded(out));
        worker.weight_grads.emplace_back(layer ? out * padded(in) : 0);
        worker.bias_grads.emplace_back(out);
    }
    if (config_.num_layers) {
        worker.user_weight_grads = Buffer(first_user_.backward.size());
        worker.item_weight_grads = Buffer(first_item_.backward.size());
        worker.mlp_head_grads = Buffer(widths_.back());
        worker.user_first_grads = Buffer(user_first_.size());
        worker.item_first_grads = Buffer(item_first_.size());
    }
    worker.gmf_head_grads = Buffer(config_.gmf_dim);
    worker.user_gmf_grads = Buffer(users_.gmf.rows.size());
    worker.item_gmf_grads = Buffer(items_.gmf.rows.size());
    int64_t widest = std::max(config_.gmf_dim, mlp_dim());
    for (int64_t layer = 1; layer <= config_.num_layers; layer++) widest = std::max(widest, widths_[layer]);
    worker.output_grads = Buffer(BLOCK * padded(widest));
    worker.input_grads = Buffer(worker.output_grads.size());
    worker.dense_grads = {&worker.user_weight_grads, &worker.item_weight_grads, &worker.mlp_head_grads,
                          &worker.gmf_head_grads};
    for (std::vector<Buffer>* layers : {&worker.weight_grads, &worker.bias_grads})
        for (Buffer& layer : *layers) worker.dense_grads.push_back(&layer);
}

void Trainer::restart(int64_t step) {
    step_ = step;
    history_.restart(step);
    for (Side* side : {&users_, &items_}) std::fill(side->last_step.begin(), side->last_step.end(), step);
    pack_weights();  // the caller may have changed the weights
}

void Trainer::finish() {
    if (config_.optimizer.adam && !config_.dense)
        for (Side* side : {&users_, &items_}) side->catch_up(step_, history_);
    restart(step_);
}

double Trainer::run(int64_t steps, const int64_t* const* users, const int64_t* const* items, const float* const* labels,
                    const float* const* weights, const Rates* rates, const uint64_t* seeds) {
    double total = 0;
    auto work = [&](int64_t thread) {
        Worker& worker = *workers_[thread];
        worker.start_clock();
        for (int64_t step = 0; step < steps; step++) {
            const int64_t *user = users[step], *item = items[step];
            if (thread == 0) users_.begin(user, config_.positives);
            if (thread == config_.threads - 1) items_.begin(item, config_.positives * config_.group_size);
            barrier_.wait();
            worker.record(FIND);
            gather_rows(thread);
            barrier_.wait();
            worker.record(LOOK_UP);
            compute_gradients(thread, user, item, labels[step], weights ? weights[step] : nullptr, seeds[step]);
            barrier_.wait();
            worker.record(BACKWARD);
            update_embeddings(thread, rates[step]);
            barrier_.wait();
            worker.record(UPDATE_ROWS);
            if (thread == 0) total += update_dense(rates[step]);
            if (thread == config_.threads - 1) users_.end(), items_.end();
            barrier_.wait();
            worker.record(UPDATE_DENSE);
        }
    };
    run_threads(config_.threads, work);
    return total;
}

void Trainer::set_up(Side& side, int64_t num_rows, int64_t occurrences, const Parameter& gmf, const Parameter& mlp) {
    const int64_t slots = config_.dense ? num_rows : std::min(num_rows, occurrences);
    side.num_rows = num_rows;
    side.dense = config_.dense;
    side.last_step.assign(num_rows, 0);
    side.slot_of_row.assign(num_rows, -1);
    side.counts.assign(slots, 0);
    side.gmf = Table(gmf, config_.gmf_dim, slots);
    side.mlp = Table(mlp, mlp_dim(), slots);
    for (int64_t row = 0; side.dense && row < num_rows; row++) {
        side.slot_of_row[row] = row;
        side.row_of_slot.push_back(row);
    }
}

void Trainer::pack_weights() {
    for (int64_t layer = 0; layer < config_.num_layers; layer++) {
        const float* weight = layers_[layer].weight.value;
        if (layer == 0) {
            first_user_.pack(weight, widths_[0]);
            first_item_.pack(weight + mlp_dim(), widths_[0]);
        } else {
            matrices_[layer].pack(weight, widths_[layer]);
        }
        std::copy_n(layers_[layer].bias.value, widths_[layer + 1], static_cast<float*>(biases_[layer]));
    }
    if (config_.num_layers) std::copy_n(config_.mlp_head.value, widths_.back(), static_cast<float*>(mlp_head_));
    if (config_.gmf_dim) std::copy_n(config_.gmf_head.value, config_.gmf_dim, static_cast<float*>(gmf_head_));
}

void Trainer::gather_rows(int64_t thread) {
    Worker& worker = *workers_[thread];
    gather_rows(thread, users_, first_user_, config_.num_layers ? static_cast<const float*>(biases_[0]) : nullptr,
                user_first_);
    gather_rows(thread, items_, first_item_, nullptr, item_first_);
    for (Buffer* grads : worker.dense_grads) grads->zero();
    if (config_.num_layers) {
        worker.user_first_grads.zero(users_.size() * padded(widths_[1]));
        worker.item_first_grads.zero(items_.size() * padded(widths_[1]));
    }
    worker.user_gmf_grads.zero(users_.size() * users_.gmf.stride);
    worker.item_gmf_grads.zero(items_.size() * items_.gmf.stride);
    worker.bias_grad = worker.loss = 0;
}

void Trainer::gather_rows(int64_t thread, Side& side, const Matrix& matrix, const float* bias, Buffer& first) {
    const int64_t start = shard_start(thread, side.size()), stop = shard_start(thread + 1, side.size());
    side.gather(start, stop, step_, history_);
    if (!config_.num_layers) return;
    const float* rows = side.mlp.rows + start * side.mlp.stride;
    matmul(stop - start, padded(matrix.out), matrix.in, LeftMatrix{rows, side.mlp.stride, 1}, matrix.forward,
           padded(matrix.out), first + start * padded(matrix.out), padded(matrix.out), bias, false);
}
