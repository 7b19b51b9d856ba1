// From a block of samples to its logits, their loss, and the gradients.
#include "losses.hpp"
#include "random.hpp"
#include "trainer.hpp"

void Trainer::learn(int64_t number, const int64_t* users, const int64_t* items, const float* labels, uint64_t seed) {
    const int64_t together = std::max<int64_t>(1, BLOCK / given_.each),
                  blocks = (given_.positives + together - 1) / together;
    for (int64_t block = from(number, blocks); block < from(number + 1, blocks); block++) {
        const int64_t first = block * together, count = std::min(together, given_.positives - first);
        learn_block(*workers_[number], count, users + first, items + first * given_.each, labels + first * given_.each,
                    first * given_.each, seed);
    }
}

void Trainer::learn_block(Worker& worker, int64_t positives, const int64_t* users, const int64_t* items,
                          const float* labels, int64_t place, uint64_t seed) {
    const int64_t samples = positives * given_.each;
    std::fill_n(worker.logits, samples, given_.factors ? *given_.factors_bias.value : 0.0f);
    for (int64_t positive = 0; positive < positives; positive++)
        worker.user_slots[positive] = users_.slots[users[positive]];
    for (int64_t sample = 0; sample < samples; sample++) worker.item_slots[sample] = items_.slots[items[sample]];
    call_for(worker, positives, users_.factors.rows, items_.factors.rows, user_first_, item_first_);
    if (given_.factors) score_factors(worker, positives);
    if (given_.depth) score_tower(worker, positives, place, seed);
    worker.passed(FORWARD);
    call_for(worker, positives, worker.by_user_factors, worker.by_item_factors, worker.by_user_first,
             worker.by_item_first);
    learn_slopes(worker, positives, labels);
    for (int64_t sample = 0; given_.loss != BPR && sample < samples; sample++) worker.bias += worker.slopes[sample];
    worker.passed(LOSS);
    if (given_.factors) learn_factors(worker, positives);
    if (given_.depth) learn_tower(worker, positives);
    worker.passed(BACKWARD);
}

void Trainer::call_for(const Worker& worker, int64_t positives, const float* user_factors, const float* item_factors,
                       const float* user_first, const float* item_first) const {
    const int64_t factors = padded(given_.factors), first = given_.depth ? padded(widths_[1]) : 0;
    for (int64_t positive = 0; positive < positives; positive++) {
        prefetch(user_factors + worker.user_slots[positive] * factors, factors);
        prefetch(user_first + worker.user_slots[positive] * first, first);
    }
    for (int64_t sample = 0; sample < positives * given_.each; sample++) {
        prefetch(item_factors + worker.item_slots[sample] * factors, factors);
        prefetch(item_first + worker.item_slots[sample] * first, first);
    }
}

void Trainer::score_factors(Worker& worker, int64_t positives) {
    const int64_t stride = users_.factors.stride;
    for (int64_t positive = 0; positive < positives; positive++) {
        const float* user = users_.factors.rows + worker.user_slots[positive] * stride;
        for (int64_t sample = positive * given_.each; sample < (positive + 1) * given_.each; sample++) {
            const float* item = items_.factors.rows + worker.item_slots[sample] * stride;
            Lanes total{};
            for (int64_t i = 0; i < stride; i += LANES)
                total += lanes(user + i) * lanes(item + i) * lanes(factors_head_ + i);
            worker.logits[sample] += sum(total);
        }
    }
}

void Trainer::score_tower(Worker& worker, int64_t positives, int64_t place, uint64_t seed) {
    const int64_t samples = positives * given_.each, first = padded(widths_[1]);
    float* hidden = worker.hidden[0];
    for (int64_t positive = 0; positive < positives; positive++) {
        const float* user = user_first_ + worker.user_slots[positive] * first;
        for (int64_t sample = positive * given_.each; sample < (positive + 1) * given_.each; sample++) {
            const float* item = item_first_ + worker.item_slots[sample] * first;
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

void Trainer::activate(float* hidden, int64_t samples, int64_t width, int64_t place, uint64_t seed) {
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

void Trainer::learn_slopes(Worker& worker, int64_t positives, const float* labels) {
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

void Trainer::learn_factors(Worker& worker, int64_t positives) {
    const int64_t stride = users_.factors.stride;
    for (int64_t positive = 0; positive < positives; positive++) {
        const int64_t user_place = worker.user_slots[positive] * stride;
        const float* user = users_.factors.rows + user_place;
        float* weighed = worker.above;  // sum of slope * item
        std::fill_n(weighed, stride, 0.0f);
        for (int64_t sample = positive * given_.each; sample < (positive + 1) * given_.each; sample++) {
            const int64_t item_place = worker.item_slots[sample] * stride;
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

void Trainer::learn_tower(Worker& worker, int64_t positives) {
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
        product(samples, in, widths_[layer + 1], Left{above, out, 1}, matrices_[layer].backward, in, below, in, nullptr,
                false);
        std::swap(above, below);
    }
    const int64_t first = padded(widths_[1]);
    deactivate(above, worker.hidden[0], samples, first, worker.biases[0]);
    for (int64_t positive = 0; positive < positives; positive++) {
        float* user = worker.by_user_first + worker.user_slots[positive] * first;
        for (int64_t sample = positive * given_.each; sample < (positive + 1) * given_.each; sample++) {
            float* item = worker.by_item_first + worker.item_slots[sample] * first;
            accumulate(item, above + sample * first, first);
            accumulate(user, above + sample * first, first);
        }
    }
}

void Trainer::deactivate(float* gradient, const float* hidden, int64_t samples, int64_t width, float* total) {
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
