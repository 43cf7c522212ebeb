#include "heirloom/exit_reason.hpp"

#include <atomic>
#include <ostream>

namespace heirloom {
namespace detail {

/// All but the plain atoms.
struct reason_extra : reason_node {
    using reason_node::reason_node;
    exit_reason inner;  // of a compound
    std::any value;
    std::string text;  // how it prints; what() of a crash
    std::string type;  // of a crash
    std::vector<void*> stack;
};

void hold(const reason_node* node) noexcept {
    if (node->immortal) return;
    std::atomic_ref(node->count).fetch_add(1, std::memory_order_relaxed);
}

void release(const reason_node* node) noexcept {
    if (node->immortal) return;
    // release: our reads come before whoever frees it; acquire: the freer sees them done.
    if (std::atomic_ref(node->count).fetch_sub(1, std::memory_order_acq_rel) == 1)
        delete static_cast<const reason_extra*>(node);
}

}  // namespace detail

namespace {

using detail::reason_extra;
using detail::reason_kind;

reason_extra* make(reason_kind kind, atom tag) {
    auto* node = new reason_extra(kind, tag);
    node->count = 0;
    return node;
}

}  // namespace

exit_reason::exit_reason(atom name) : node_(&detail::normal_node) {
    for (const auto* known :
         {&detail::normal_node, &detail::kill_node, &detail::killed_node, &detail::shutdown_node,
          &detail::no_process_node, &detail::timeout_node, &detail::no_reply_node,
          &detail::would_deadlock_node, &detail::system_limit_node, &detail::runtime_stopped_node,
          &detail::stack_overflow_node, &detail::abandoned_node})
        if (known->tag == name) {
            node_ = known;
            return;
        }
    node_ = make(reason_kind::atom, name);
    detail::hold(node_);
}

exit_reason::exit_reason(atom tag, exit_reason detail) {
    auto* node = make(reason_kind::compound, tag);
    node->text = "{" + std::string(tag.text()) + ", " + to_string(detail) + "}";
    node->inner = std::move(detail);
    node_ = node;
    detail::hold(node_);
}

exit_reason exit_reason::make_value(std::any value, std::string text) {
    auto* node = make(reason_kind::value, "value");
    if (const auto* itself = std::any_cast<std::string>(&value); itself && text.empty())
        text = *itself;
    node->value = std::move(value);
    node->text = std::move(text);
    detail::hold(node);
    return exit_reason(static_cast<const detail::reason_node*>(node));
}

exit_reason exit_reason::crash(std::string exception_type, std::string what,
                               std::vector<void*> stack) {
    auto* node = make(reason_kind::crash, "crash");
    node->type = std::move(exception_type);
    node->text = std::move(what);
    node->stack = std::move(stack);
    detail::hold(node);
    return exit_reason(static_cast<const detail::reason_node*>(node));
}

const detail::reason_extra* exit_reason::extra() const noexcept {
    return node_->immortal ? nullptr : static_cast<const reason_extra*>(node_);
}

bool exit_reason::is_orderly() const noexcept {
    if (node_->kind == reason_kind::crash || node_->kind == reason_kind::value) return false;
    return node_ == &detail::normal_node || node_->tag == "shutdown"_a ||
           (node_->kind == reason_kind::atom && node_->tag == "normal"_a);
}

const exit_reason* exit_reason::detail() const noexcept {
    return node_->kind == reason_kind::compound ? &extra()->inner : nullptr;
}

const std::any* exit_reason::held_value() const noexcept {
    return node_->kind == reason_kind::value ? &extra()->value : nullptr;
}

std::string_view exit_reason::what() const noexcept {
    if (node_->kind == reason_kind::atom) return node_->tag.text();
    if (node_->kind == reason_kind::value && extra()->text.empty()) return "value";
    return extra()->text;
}

std::string_view exit_reason::exception_type() const noexcept {
    return is_crash() ? std::string_view(extra()->type) : std::string_view();
}

const std::vector<void*>& exit_reason::stack() const noexcept {
    static const std::vector<void*> none;
    return is_crash() ? extra()->stack : none;
}

bool operator==(const exit_reason& a, const exit_reason& b) noexcept {
    if (a.node_ == b.node_) return true;
    if (a.node_->kind != b.node_->kind || a.node_->tag != b.node_->tag) return false;
    switch (a.node_->kind) {
    case reason_kind::atom:
        return true;
    case reason_kind::compound:
        return a.extra()->inner == b.extra()->inner;
    case reason_kind::value:
        return !a.extra()->text.empty() && a.extra()->text == b.extra()->text;
    case reason_kind::crash:
        return a.extra()->type == b.extra()->type && a.extra()->text == b.extra()->text;
    }
    return false;
}

std::string to_string(const exit_reason& reason) {
    if (!reason.is_crash()) return std::string(reason.what());
    std::string text(reason.exception_type());
    if (!reason.what().empty()) text += ": " + std::string(reason.what());
    return text;
}

std::ostream& operator<<(std::ostream& out, const exit_reason& reason) {
    return out << to_string(reason);
}

}  // namespace heirloom
