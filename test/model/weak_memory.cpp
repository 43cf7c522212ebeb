#include "model/weak_memory.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <sstream>
#include <string_view>
#include <unordered_map>

#include <boost/context/detail/fcontext.hpp>

#if defined(__SANITIZE_ADDRESS__)
#define HEIRLOOM_MODEL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEIRLOOM_MODEL_ASAN 1
#endif
#endif
#if defined(HEIRLOOM_MODEL_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif

namespace heirloom::test::weak {
namespace {

namespace context = boost::context::detail;

constexpr std::size_t most_threads = 4;
constexpr std::size_t most_objects = 384;
constexpr std::size_t stack_bytes = 256 * 1024;
constexpr std::size_t most_steps = 5000;

/// Per object the oldest store that may be read; per thread how far what it did is known.
struct view {
    std::array<std::uint16_t, most_objects + most_threads> at{};
    void join(const view& other) noexcept {
        for (std::size_t i = 0; i < at.size(); ++i) at[i] = std::max(at[i], other.at[i]);
    }
    std::uint16_t& clock(std::size_t thread) noexcept { return at[most_objects + thread]; }
};
struct written {
    std::uint64_t value;
    view with;
};
struct object {
    std::vector<written> stores;
};
struct accesses {
    std::size_t writer = most_threads;
    std::uint16_t written = 0;
    std::array<std::uint16_t, most_threads> read{};
};
struct fiber {
    std::function<void()> body;
    context::fcontext_t at = nullptr;
    view known, acquired, released;
    bool over = false;
    const std::function<bool()>* waits = nullptr;
};
struct choice {
    unsigned taken, of;
};

bool acquires(std::memory_order o) {
    return o != std::memory_order_relaxed && o != std::memory_order_release;
}
bool releases(std::memory_order o) {
    return o == std::memory_order_release || o == std::memory_order_acq_rel ||
           o == std::memory_order_seq_cst;
}
const char* name_of(std::memory_order o) {
    switch (o) {
    case std::memory_order_relaxed:
        return "relaxed";
    case std::memory_order_acquire:
        return "acquire";
    case std::memory_order_release:
        return "release";
    case std::memory_order_acq_rel:
        return "acq_rel";
    default:
        return "seq_cst";
    }
}
/// The function's own name, without what differs between compilers: results, scopes, arguments of templates and of functions.
std::string function_name(std::string_view whole) {
    constexpr std::string_view nameless = "(anonymous namespace)";
    int depth = 0;
    std::size_t begin = 0;
    std::size_t end = whole.size();
    for (std::size_t i = 0; i < whole.size(); ++i) {
        if (whole.substr(i).starts_with(nameless)) {
            i += nameless.size() - 1;
            continue;
        }
        if (whole[i] == '<' && depth++ == 0) end = i;
        if (whole[i] == '>') --depth;
        if (depth > 0) continue;
        if (whole[i] == ':' || whole[i] == ' ' || whole[i] == '*' || whole[i] == '&') {
            begin = i + 1;
            end = whole.size();
        }
        if (whole[i] == '(') {
            end = std::min(end, i);
            break;
        }
    }
    return std::string(whole.substr(begin, end - begin));
}

class engine {
public:
    outcome explore(const std::function<void(program&)>& make, effort how,
                    const std::string& weakened) {
        outcome result;
        path_.clear();
        ordered_.clear();
        how_ = how;
        weakened_ = weakened;
        do {
            ++result.runs;
            run(make);
            if (!wrong_.empty()) {
                result.wrong = wrong_;
                tracing_ = true;
                run(make);
                tracing_ = false;
                result.wrong += "\n" + trace_.str();
                return result;
            }
            result.complete = !advance();
        } while (!result.complete && result.runs < how.runs);
        result.ordered.assign(ordered_.begin(), ordered_.end());
        return result;
    }

    // --- Operations ---

    std::uint64_t load(const place& p) {
        if (!active_) return newest(p);
        point();
        const auto order = order_of(p);
        const auto i = object_at(p);
        const auto& stores = objects_[i].stores;
        fiber& me = *now_;
        std::size_t oldest = me.known.at[i];
        if (order == std::memory_order_seq_cst)
            oldest = std::max<std::size_t>(oldest, sequential_.at[i]);
        const std::size_t last = stores.size() - 1;
        std::size_t read = last;
        if (oldest < last && stale_ > 0) {
            read = last - choose(static_cast<unsigned>(last - oldest + 1));
            if (read != last) --stale_;
        }
        me.known.at[i] = static_cast<std::uint16_t>(read);
        take_over(stores[read].with, order);
        note(p, order, stores[read].value, read != last ? " (stale)" : "");
        return stores[read].value;
    }
    void store(const place& p, std::uint64_t value) {
        if (!active_) return put(p, value);
        point();
        const auto order = order_of(p);
        append(p, order, value, nullptr);
        note(p, order, value, "");
    }
    std::uint64_t begin_change(const place& p) {
        if (!active_) return newest(p);
        point();
        return objects_[object_at(p)].stores.back().value;
    }
    void end_change(const place& p, std::uint64_t value) {
        if (!active_) return put(p, value);
        const auto order = order_of(p);
        const auto i = object_at(p);
        const view before = objects_[i].stores.back().with;
        take_over(before, order);
        append(p, order, value, &before);
        note(p, order, value, "");
    }
    void no_change(const place& p, std::memory_order failure) {
        if (!active_) return;
        place q = p;
        q.order = failure;
        q.what = "failed exchange";
        const auto order = order_of(q);
        const auto i = object_at(p);
        now_->known.at[i] = static_cast<std::uint16_t>(objects_[i].stores.size() - 1);
        take_over(objects_[i].stores.back().with, order);
        note(q, order, objects_[i].stores.back().value, "");
    }
    void fence(std::memory_order order, const std::source_location& at) {
        if (!active_) return;
        point();
        const place p{nullptr, 0, "fence", order, at};
        order = order_of(p);
        if (order != std::memory_order_relaxed) fence_on(*now_, order);
        note(p, order, 0, "");
    }
    void fence_everywhere() {
        if (!active_) return;
        point();
        if (weakened_ == "heavy fence") return;
        ordered_.insert("heavy fence");
        fence_on(*now_, std::memory_order_seq_cst);
        for (auto& f : fibers_)
            if (f.get() != now_) fence_on(*f, std::memory_order_seq_cst);
        fence_on(*now_, std::memory_order_seq_cst);
        if (tracing_) trace_ << "  " << index() << ": heavy fence\n";
    }
    void touch(const void* what, bool writes) {
        if (!active_) return;
        const auto me = index();
        accesses& a = plain_[what];
        bool race =
            a.writer != most_threads && a.writer != me && now_->known.clock(a.writer) < a.written;
        if (writes)
            for (std::size_t t = 0; t < fibers_.size(); ++t)
                race = race || (t != me && now_->known.clock(t) < a.read[t]);
        // One more than the clock: a store made before this access must not carry it.
        const auto when = static_cast<std::uint16_t>(now_->known.clock(me) + 1);
        if (writes) {
            a.writer = me;
            a.written = when;
        } else {
            a.read[me] = when;
        }
        if (tracing_) trace_ << "  " << me << ": " << (writes ? "writes" : "reads") << " plain\n";
        if (race) fail("a data race");
    }

    // --- Schedules ---

    void fail(const std::string& what) {
        if (wrong_.empty()) wrong_ = what;
    }
    bool await(const std::function<bool()>& ready) {
        point();
        now_->waits = &ready;
        leave(nobody);
        return !stuck_;
    }
    void yield() {
        if (!active_) return;
        point();
        std::vector<std::size_t> others;
        for (std::size_t t = 0; t < fibers_.size(); ++t)
            if (t != index() && can_run(t)) others.push_back(t);
        if (!others.empty()) leave(others[choose(static_cast<unsigned>(others.size()))]);
    }

private:
    static constexpr std::size_t nobody = most_threads;

    std::size_t index() const noexcept { return current_; }

    // --- Choices: depth first ---

    unsigned choose(unsigned of) {
        if (of == 1) return 0;
        if (depth_ == path_.size()) path_.push_back({0, of});
        if (path_[depth_].of != of) {
            std::fputs("weak_memory: the program is not deterministic\n", stderr);
            std::abort();
        }
        return path_[depth_++].taken;
    }
    bool advance() {
        while (!path_.empty() && path_.back().taken + 1 == path_.back().of) path_.pop_back();
        if (path_.empty()) return false;
        ++path_.back().taken;
        return true;
    }

    // --- Memory ---

    static std::uint64_t newest(const place& p) {
        std::uint64_t value = 0;
        std::memcpy(&value, p.raw, p.size);
        return value;
    }
    static void put(const place& p, std::uint64_t value) { std::memcpy(p.raw, &value, p.size); }
    std::size_t object_at(const place& p) {
        const auto [found, fresh] = known_objects_.try_emplace(p.raw, known_objects_.size());
        if (fresh) {
            if (found->second >= most_objects) {
                std::fputs("weak_memory: too many objects\n", stderr);
                std::abort();
            }
            auto& stores = objects_[found->second].stores;
            stores.clear();
            stores.push_back({newest(p), {}});
        }
        return found->second;
    }
    /// The order asked for, or what the experiment leaves of it.
    std::memory_order order_of(const place& p) {
        if (p.order == std::memory_order_relaxed) return p.order;
        const std::string name =
            function_name(p.at.function_name()) + " " + p.what + " " + name_of(p.order);
        if (name == weakened_) return std::memory_order_relaxed;
        if (weakened_.empty()) ordered_.insert(name);
        return p.order;
    }
    void take_over(const view& with, std::memory_order order) {
        now_->acquired.join(with);
        if (acquires(order)) now_->known.join(with);
    }
    void append(const place& p, std::memory_order order, std::uint64_t value,
                const view* continues) {
        const auto i = object_at(p);
        auto& stores = objects_[i].stores;
        const auto at = static_cast<std::uint16_t>(stores.size());
        now_->known.at[i] = at;
        view with = releases(order) ? now_->known : now_->released;
        with.at[i] = at;
        if (continues) with.join(*continues);
        stores.push_back({value, with});
        if (order == std::memory_order_seq_cst) sequential_.at[i] = at;
        put(p, value);
    }
    void fence_on(fiber& f, std::memory_order order) {
        if (acquires(order)) f.known.join(f.acquired);
        if (order == std::memory_order_seq_cst) {
            f.known.join(sequential_);
            sequential_.join(f.known);
            f.acquired.join(f.known);
        }
        if (releases(order)) f.released = f.known;
    }
    void note(const place& p, std::memory_order order, std::uint64_t value, const char* more) {
        if (!tracing_) return;
        trace_ << "  " << index() << ": " << function_name(p.at.function_name()) << " " << p.what
               << " " << name_of(order);
        if (p.raw) trace_ << " object " << known_objects_[p.raw];
        trace_ << " = 0x" << std::hex << value << std::dec << more << "\n";
    }

    // --- Threads ---

    bool can_run(std::size_t t) {
        const fiber& f = *fibers_[t];
        if (f.over) return false;
        if (!f.waits) return true;
        active_ = false;  // looks at the newest values
        const bool ready = (*f.waits)();
        active_ = true;
        return ready;
    }
    /// Before each operation: perhaps another thread comes first.
    void point() {
        if (++steps_ > most_steps) {
            fail("does not end");
            abandoned_ = true;
            leave(nobody);
        }
        ++now_->known.clock(index());
        if (preemptions_ == 0) return;
        std::array<std::size_t, most_threads> who{};
        unsigned n = 0;
        who[n++] = index();
        for (std::size_t t = 0; t < fibers_.size(); ++t)
            if (t != index() && can_run(t)) who[n++] = t;
        const auto next = who[choose(n)];
        if (next == index()) return;
        --preemptions_;
        leave(next);
    }
    void leave(std::size_t to) {
        next_ = to;
        switch_to(scheduler_, nullptr, 0, nullptr);
    }
    /// From the running context to `to`; `fake` as AddressSanitizer wants it.
    void switch_to(context::fcontext_t& to, const void* stack, std::size_t bytes, fiber* f) {
#if defined(HEIRLOOM_MODEL_ASAN)
        void* fake = nullptr;
        __sanitizer_start_switch_fiber(now_ && now_->over && !f ? nullptr : &fake,
                                       f ? stack : scheduler_stack_, f ? bytes : scheduler_bytes_);
#else
        (void)stack;
        (void)bytes;
        (void)f;
#endif
        const context::transfer_t back = context::jump_fcontext(to, this);
#if defined(HEIRLOOM_MODEL_ASAN)
        if (f)
            __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
        else
            __sanitizer_finish_switch_fiber(fake, &scheduler_stack_, &scheduler_bytes_);
#endif
        // Whoever came back to us is where the other side stands now.
        if (f)
            f->at = back.fctx;
        else
            scheduler_ = back.fctx;
    }
    static void enter(context::transfer_t t) {
        auto& e = *static_cast<engine*>(t.data);
        e.scheduler_ = t.fctx;
#if defined(HEIRLOOM_MODEL_ASAN)
        __sanitizer_finish_switch_fiber(nullptr, &e.scheduler_stack_, &e.scheduler_bytes_);
#endif
        fiber& me = *e.now_;
        me.body();
        me.over = true;
        e.leave(nobody);
    }
    void resume(std::size_t t) {
        fiber& f = *fibers_[t];
        f.waits = nullptr;
        now_ = &f;
        current_ = t;
        switch_to(f.at, stacks_[t].get(), stack_bytes, &f);
    }
    void run(const std::function<void(program&)>& make) {
        wrong_.clear();
        trace_.str({});
        known_objects_.clear();
        plain_.clear();
        sequential_ = {};
        depth_ = steps_ = 0;
        preemptions_ = how_.preemptions;
        stale_ = how_.stale_loads;
        stuck_ = abandoned_ = false;
        now_ = nullptr;
        program p;
        make(p);
        fibers_.clear();
        for (std::size_t t = 0; t < p.threads.size(); ++t) {
            if (!stacks_[t]) stacks_[t].reset(new char[stack_bytes]);
            fibers_.push_back(std::make_unique<fiber>());
            fibers_[t]->body = p.threads[t];
            fibers_[t]->at =
                context::make_fcontext(stacks_[t].get() + stack_bytes, stack_bytes, &enter);
        }
        next_ = nobody;
        active_ = true;
        while (!abandoned_) {
            std::size_t to = std::exchange(next_, nobody);
            if (to == nobody) {
                std::vector<std::size_t> ready;
                bool all_over = true;
                for (std::size_t t = 0; t < fibers_.size(); ++t) {
                    all_over = all_over && fibers_[t]->over;
                    if (can_run(t)) ready.push_back(t);
                }
                if (all_over) break;
                if (ready.empty()) {  // each is told that it waits in vain
                    stuck_ = true;
                    for (std::size_t t = 0; t < fibers_.size(); ++t)
                        if (!fibers_[t]->over) ready.push_back(t);
                }
                to = ready[choose(static_cast<unsigned>(ready.size()))];
            }
            resume(to);
        }
        active_ = false;
        now_ = nullptr;
        if (p.last && !abandoned_ && wrong_.empty()) p.last();
    }

    effort how_;
    std::string weakened_;
    std::set<std::string> ordered_;
    std::vector<choice> path_;
    std::size_t depth_ = 0, steps_ = 0;
    unsigned preemptions_ = 0, stale_ = 0;

    bool active_ = false, stuck_ = false, abandoned_ = false, tracing_ = false;
    std::string wrong_;
    std::ostringstream trace_;
    std::unordered_map<const void*, std::size_t> known_objects_;
    std::array<object, most_objects> objects_;
    std::unordered_map<const void*, accesses> plain_;
    view sequential_;

    std::vector<std::unique_ptr<fiber>> fibers_;
    std::array<std::unique_ptr<char[]>, most_threads> stacks_;
    fiber* now_ = nullptr;
    std::size_t current_ = 0, next_ = nobody;
    context::fcontext_t scheduler_ = nullptr;
    [[maybe_unused]] const void* scheduler_stack_ = nullptr;  // for AddressSanitizer
    [[maybe_unused]] std::size_t scheduler_bytes_ = 0;
};

engine& the_engine() {
    static engine e;
    return e;
}

}  // namespace

outcome explore(const std::function<void(program&)>& make, effort how,
                const std::string& weakened) {
    return the_engine().explore(make, how, weakened);
}
testing::AssertionResult holds_always(const std::function<void(program&)>& make, effort limits,
                                      std::size_t more_than) {
    const outcome got = explore(make, limits);
    if (!got.wrong.empty()) return testing::AssertionFailure() << got.wrong;
    if (!got.complete)
        return testing::AssertionFailure() << "not all of it was run, in " << got.runs << " runs";
    if (got.runs <= more_than) return testing::AssertionFailure() << "only " << got.runs << " runs";
    return testing::AssertionSuccess();
}

std::vector<std::string> unnoticed(const std::vector<std::function<void(program&)>>& programs,
                                   effort how) {
    std::vector<std::set<std::string>> used;
    std::set<std::string> all;
    for (const auto& make : programs) {
        const auto ordered = explore(make, how).ordered;
        used.emplace_back(ordered.begin(), ordered.end());
        all.insert(ordered.begin(), ordered.end());
    }
    std::vector<std::string> found;
    for (const std::string& name : all) {
        bool noticed = false;
        for (std::size_t i = 0; i < programs.size() && !noticed; ++i)
            noticed = used[i].count(name) != 0 && !explore(programs[i], how, name).wrong.empty();
        if (!noticed) found.push_back(name);
    }
    return found;
}

void require(bool holds, const std::string& what) {
    if (!holds) the_engine().fail(what);
}
bool await(const std::function<bool()>& ready) { return the_engine().await(ready); }
void yield() noexcept { the_engine().yield(); }
void fence_everywhere() noexcept { the_engine().fence_everywhere(); }
void fence(std::memory_order order, std::source_location at) noexcept {
    the_engine().fence(order, at);
}
std::uint64_t load(const place& p) noexcept { return the_engine().load(p); }
void store(const place& p, std::uint64_t value) noexcept { the_engine().store(p, value); }

namespace inner {
std::uint64_t begin_change(const place& p) noexcept { return the_engine().begin_change(p); }
void end_change(const place& p, std::uint64_t value) noexcept { the_engine().end_change(p, value); }
void no_change(const place& p, std::memory_order failure) noexcept {
    the_engine().no_change(p, failure);
}
void touch(const void* object, bool writes) noexcept { the_engine().touch(object, writes); }
}  // namespace inner

}  // namespace heirloom::test::weak
