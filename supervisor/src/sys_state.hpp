#pragma once

#include "heirloom/detail/server_core.hpp"
#include "heirloom/sys.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace heirloom::detail {

using sys_event_kind = sys::event_kind;

/// Messages taken out of the mailbox while suspended, oldest first.
class message_shelf {
public:
    message_shelf() = default;
    message_shelf(const message_shelf&) = delete;
    message_shelf& operator=(const message_shelf&) = delete;
    ~message_shelf() {
        while (message* m = pop()) {
            // An open call belongs to the process, which tells its caller.
            if (m->type->kind != message_kind::call) m->type->destroy(m);
        }
    }
    void push(message* m) noexcept {
        m->next = nullptr;
        (last_ != nullptr ? last_->next : first_) = m;
        last_ = m;
    }
    message* pop() noexcept {
        message* m = first_;
        if (m != nullptr) {
            first_ = m->next;
            if (first_ == nullptr) last_ = nullptr;
        }
        return m;
    }

private:
    message* first_ = nullptr;
    message* last_ = nullptr;
};

/// What a server has that somebody looked into.
struct sys_state {
    struct observer {
        std::string id;
        std::function<bool(const sys::event&)> see;  // false: not again
    };

    message_shelf set_aside;
    std::vector<alias_ref> dropped;  // askers whose reply_to an exception took along
    std::vector<observer> observers;
    bool counting = false;
    time_point counting_since;
    std::uint64_t messages_in = 0;
    std::uint64_t replies_out = 0;
    std::size_t log_size = 0;
    std::deque<sys::event> log;

    bool observed() const noexcept { return counting || log_size != 0 || !observers.empty(); }
    void event(sys::event_kind kind, std::string_view message, pid client);
};

}  // namespace heirloom::detail
