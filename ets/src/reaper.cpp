#include "reaper.hpp"

#include <memory>
#include <new>
#include <utility>

#include <heirloom/blocking.hpp>
#include <heirloom/errors.hpp>
#include <heirloom/ets/detail/memory.hpp>

// Contents go to the reaper as the payload of a message that was made together with them. A message that cannot be
// delivered, because the runtime is ending, destroys its payload: the same work, without the slices.
namespace heirloom::ets::detail {
namespace {

// To destroy a boxed row takes two or three cache misses, and as long again in tidy_up(): a slice is a quarter to half a
// millisecond and uses up a turn.
constexpr std::size_t rows_a_slice = 256;
constexpr unsigned reductions_a_slice = 4096;

class remains {
public:
    explicit remains(contents* c) noexcept : contents_(c) {}
    remains(remains&& other) noexcept : contents_(std::exchange(other.contents_, nullptr)) {}
    remains& operator=(remains&&) = delete;
    ~remains() {
        while (!shred_slice()) {
        }
        delete contents_;
    }
    /// True when no rows are left.
    bool shred_slice() noexcept { return !contents_ || contents_->shred(rows_a_slice); }
    /// Requires: no rows are left.
    void unmap() noexcept { delete std::exchange(contents_, nullptr); }

private:
    contents* contents_;
};

struct page_request {
    std::shared_ptr<char> memory;  // the segment stays mapped meanwhile
    std::size_t at;
};

class reaper_activity final : public heirloom::detail::activity {
    // On a thread that holds nobody up: one that changes the address space may have to wait for another that does.
    template <class F>
    static void elsewhere(F&& f) {
        try {
            blocking(f);
        } catch (const heirloom::error&) {
            // No thread for it. Then pages stay small, and who owns memory unmaps it himself.
        }
    }

    // glibc keeps small pieces that are freed and puts them together when somebody wants a large one: seconds of work
    // after ten million. Wanted after every slice, it has little to do.
    static void tidy_up() noexcept {
        if (void* large = ::operator new(4096, std::nothrow)) ::operator delete(large);
    }

public:
    heirloom::detail::disposition run() override {
        while (auto* m = heirloom::detail::next_message()) {
            heirloom::detail::message_ptr owner(m);
            if (m->type == &heirloom::detail::user_type<page_request>) {
                auto& wanted =
                    static_cast<heirloom::detail::typed_message<page_request>*>(m)->payload;
                elsewhere([&] { back_huge_page(wanted.memory.get() + wanted.at); });
                continue;
            }
            if (m->type != &heirloom::detail::user_type<remains>) continue;
            auto& dead = static_cast<heirloom::detail::typed_message<remains>*>(m)->payload;
            while (!dead.shred_slice()) {
                tidy_up();
                heirloom::detail::safe_point(reductions_a_slice);
            }
            elsewhere([&] { dead.unmap(); });
        }
        return heirloom::detail::disposition::idle;
    }
};

}  // namespace

constexpr heirloom::detail::type_label reaper_label{"ets::reaper"};

pid start_reaper() {
    return heirloom::detail::spawn_system(heirloom::detail::current_runtime_index(),
                                          new reaper_activity(), reaper_label);
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

void request_huge_page(pid reaper, const std::shared_ptr<char>& memory, std::size_t at) noexcept {
    try {
        heirloom::detail::deliver(
            reaper, heirloom::detail::new_user_message<page_request>(page_request{memory, at}));
    } catch (const std::bad_alloc&) {
        return;  // small pages will do
    }
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
