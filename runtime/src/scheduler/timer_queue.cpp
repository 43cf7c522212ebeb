#include "scheduler/timer_queue.hpp"

#include <mutex>

namespace heirloom::detail {

bool timer_queue::arm(timer_node& node, std::int64_t when) {
    std::lock_guard lock(lock_);
    heap_.push_back(&node);
    node.when = when;
    node.order = ++next_order_;
    node.state = timer_state::armed;
    node.queue = this;
    node.heap_index = static_cast<std::uint32_t>(heap_.size() - 1);
    sift_up(node.heap_index);
    publish_earliest();
    return heap_.front() == &node;
}

bool timer_queue::cancel(timer_node& node) noexcept {
    std::lock_guard lock(lock_);
    if (node.state != timer_state::armed) return false;
    remove_at(node.heap_index);
    node.state = timer_state::out;
    publish_earliest();
    return true;
}

std::size_t timer_queue::expire(std::int64_t now, expired_timer* out, std::size_t room) noexcept {
    if (earliest() > now) return 0;
    std::lock_guard lock(lock_);
    std::size_t n = 0;
    while (n < room && !heap_.empty() && heap_.front()->when <= now) {
        timer_node* node = heap_.front();
        remove_at(0);
        if (node->ref) slots_[node->ref.slot].node = nullptr;  // too late to cancel
        out[n++] = {node->kind, node->target, node};
        node->state = timer_state::out;
    }
    publish_earliest();
    return n;
}

timer_ref timer_queue::reserve(std::uint32_t worker) {
    std::lock_guard lock(lock_);
    if (free_slots_.empty()) {
        if (free_slots_.capacity() <= slots_.size())  // so that releasing never allocates
            free_slots_.reserve(2 * slots_.size() + 1);
        slots_.emplace_back();
        free_slots_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
    }
    const std::uint32_t index = free_slots_.back();
    free_slots_.pop_back();
    slots_[index].id = ++next_id_;
    slots_[index].node = nullptr;
    return {slots_[index].id, worker, index};
}

void timer_queue::attach(const timer_ref& ref, timer_node* node) noexcept {
    std::lock_guard lock(lock_);
    slots_[ref.slot].node = node;
}

void timer_queue::release(const timer_ref& ref) noexcept {
    std::lock_guard lock(lock_);
    if (ref.slot >= slots_.size() || slots_[ref.slot].id != ref.id) return;
    slots_[ref.slot] = {};
    free_slots_.push_back(ref.slot);
}

timer_node* timer_queue::cancel(const timer_ref& ref) noexcept {
    std::lock_guard lock(lock_);
    if (ref.slot >= slots_.size() || slots_[ref.slot].id != ref.id) return nullptr;
    timer_node* node = slots_[ref.slot].node;
    if (!node || node->state != timer_state::armed) return nullptr;
    remove_at(node->heap_index);
    node->state = timer_state::out;
    slots_[ref.slot] = {};
    free_slots_.push_back(ref.slot);
    publish_earliest();
    return node;
}

std::optional<std::int64_t> timer_queue::deadline(const timer_ref& ref) noexcept {
    std::lock_guard lock(lock_);
    if (ref.slot >= slots_.size() || slots_[ref.slot].id != ref.id) return {};
    timer_node* node = slots_[ref.slot].node;
    if (!node || node->state != timer_state::armed) return {};
    return node->when;
}

void timer_queue::sift_up(std::uint32_t i) noexcept {
    timer_node* node = heap_[i];
    while (i > 0) {
        const std::uint32_t parent = (i - 1) / 4;
        if (!before(node, heap_[parent])) break;
        heap_[i] = heap_[parent];
        heap_[i]->heap_index = i;
        i = parent;
    }
    heap_[i] = node;
    node->heap_index = i;
}

void timer_queue::sift_down(std::uint32_t i) noexcept {
    timer_node* node = heap_[i];
    const auto size = static_cast<std::uint32_t>(heap_.size());
    for (;;) {
        std::uint32_t best = 4 * i + 1;
        if (best >= size) break;
        const std::uint32_t end = best + 4 < size ? best + 4 : size;
        for (std::uint32_t c = best + 1; c < end; ++c)
            if (before(heap_[c], heap_[best])) best = c;
        if (!before(heap_[best], node)) break;
        heap_[i] = heap_[best];
        heap_[i]->heap_index = i;
        i = best;
    }
    heap_[i] = node;
    node->heap_index = i;
}

void timer_queue::remove_at(std::uint32_t i) noexcept {
    timer_node* last = heap_.back();
    heap_.pop_back();
    if (i == heap_.size()) return;
    heap_[i] = last;
    last->heap_index = i;
    sift_up(i);
    sift_down(last->heap_index);
}

void timer_queue::publish_earliest() noexcept {
    earliest_.store(heap_.empty() ? never : heap_.front()->when, std::memory_order_relaxed);
}

}  // namespace heirloom::detail
