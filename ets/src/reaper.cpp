#include "reaper.hpp"

#include <utility>

// Contents go to the reaper as the payload of a message that was made together with them. A message that cannot be
// delivered, because the runtime is ending, destroys its payload: the same work, without the slices.
namespace heirloom::ets::detail {
namespace {

constexpr std::size_t rows_a_slice = 4096;

class remains {
public:
    explicit remains(contents* c) noexcept : contents_(c) {}
    remains(remains&& other) noexcept : contents_(std::exchange(other.contents_, nullptr)) {}
    remains& operator=(remains&&) = delete;
    ~remains() {
        while (!shred_slice()) {
        }
    }
    /// True when nothing is left.
    bool shred_slice() noexcept {
        if (!contents_) return true;
        if (!contents_->shred(rows_a_slice)) return false;
        delete std::exchange(contents_, nullptr);
        return true;
    }

private:
    contents* contents_;
};

class reaper_activity final : public heirloom::detail::activity {
public:
    heirloom::detail::disposition run() override {
        while (auto* m = heirloom::detail::next_message()) {
            heirloom::detail::message_ptr owner(m);
            if (m->type != &heirloom::detail::user_type<remains>) continue;
            auto& dead = static_cast<heirloom::detail::typed_message<remains>*>(m)->payload;
            while (!dead.shred_slice()) heirloom::detail::safe_point(rows_a_slice);
        }
        return heirloom::detail::disposition::idle;
    }
};

}  // namespace

pid start_reaper() {
    return heirloom::detail::spawn_system(heirloom::detail::current_runtime_index(),
                                          new reaper_activity(), "ets::reaper");
}

void contents_deleter::operator()(contents* c) const noexcept {
    // The message owns the contents.
    if (c->obituary)
        heirloom::detail::message_deleter()(c->obituary);
    else
        delete c;
}

contents_ptr own_contents(std::unique_ptr<contents> c) {
    c->obituary = heirloom::detail::new_user_message<remains>(c.get());
    return contents_ptr(c.release());
}

void condemn(contents* c) noexcept {
    heirloom::detail::after_grace_period(
        [](void* p) noexcept {
            auto* dead = static_cast<contents*>(p);
            heirloom::detail::deliver(dead->reaper, dead->obituary);
        },
        c);
}

}  // namespace heirloom::ets::detail
