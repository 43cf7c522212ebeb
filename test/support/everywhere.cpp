#include "support/everywhere.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace heirloom::test {
namespace {

/// Ends a run that hangs: first by killing its main process, then, if that does not help either, the program.
class hang_guard {
public:
    hang_guard(runtime& rt, std::string what)
        : rt_(rt), what_(std::move(what)), thread_([this] { watch(); }) {}
    ~hang_guard() {
        {
            std::lock_guard lock(mutex_);
            over_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }
    std::atomic<std::uint64_t> main_process{0};
    std::atomic<bool> hung{false};

private:
    static constexpr std::chrono::seconds limit{under_tsan || under_asan ? 120 : 30};

    void watch() {
        std::unique_lock lock(mutex_);
        if (changed_.wait_for(lock, limit, [this] { return over_; })) return;
        hung = true;
        // Only threads can be helped from outside; a deterministic run is stuck in its driver.
        try {
            if (const auto bits = main_process.load()) rt_.exit(pid::from_bits(bits), reason::kill);
        } catch (const bad_argument&) {  // says the deterministic one
        }
        if (changed_.wait_for(lock, limit, [this] { return over_; })) return;
        std::fprintf(stderr, "a run hangs and cannot be killed: %s\n", what_.c_str());
        std::abort();
    }

    runtime& rt_;
    std::string what_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool over_ = false;  // guarded by mutex_
    std::thread thread_;
};

std::string current_case() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    return info ? std::string(info->test_suite_name()) + "." + info->name() : std::string();
}

}  // namespace

log_sink captured_log::sink() const {
    return [state = state_](const log_event& event) {
        std::lock_guard lock(state->mutex);
        state->events.push_back(event);
    };
}

options quiet(unsigned workers, const captured_log& log) {
    options opts{.workers = workers};
    opts.log = log.sink();
    return opts;
}

std::vector<log_event> captured_log::events() const {
    std::lock_guard lock(state_->mutex);
    return state_->events;
}

std::vector<log_event> captured_log::events(std::string_view event) const {
    std::vector<log_event> found;
    for (auto& e : events())
        if (e.event == event) found.push_back(e);
    return found;
}

std::string captured_log::text() const {
    std::string all;
    for (auto& e : events()) all += "  log: " + e.text + "\n";
    return all;
}

std::string field(const log_event& event, std::string_view name) {
    for (auto& [key, value] : event.fields)
        if (key == name) return value;
    return {};
}

std::string setting::text() const {
    return std::to_string(workers) + " workers" + (seed ? ", seed " + std::to_string(*seed) : "");
}

void witness::fail(std::string text, std::source_location where) {
    std::string_view file = where.file_name();
    file.remove_prefix(file.find_last_of('/') + 1);
    failures_.push_back(std::string(file) + ":" + std::to_string(where.line()) + ": " +
                        std::move(text));
}

std::string run_once(const std::function<void(witness&)>& body, const setting& how,
                     const std::function<void(options&)>& adjust) {
    captured_log log;
    witness w(how, log);
    std::string wrong;
    {
        options opts{.workers = how.workers};
        opts.deterministic.seed = how.seed;
        opts.log = log.sink();
        if (adjust) adjust(opts);
        runtime rt(std::move(opts));
        hang_guard guard(rt, current_case() + ", " + how.text());
        try {
            const int code = rt.run([&] {
                guard.main_process = self().bits();
                body(w);
            });
            if (guard.hung)
                wrong += "  it did not end\n";
            else if (code != 0)
                wrong += "  the main process did not end normally\n";
        } catch (const std::exception& e) {
            wrong += std::string("  run threw: ") + e.what() + "\n";
        }
        for (auto& f : w.failures()) wrong += "  " + f + "\n";
        if (!wrong.empty()) wrong = how.text() + ":\n" + wrong + log.text();
    }
    return wrong;
}

testing::AssertionResult holds_everywhere(const std::function<void(witness&)>& body,
                                          const effort& how) {
    // One seed alone, to replay what failed.
    const auto only = number_from_environment("HEIRLOOM_SEED", 0);
    // The first failure is enough: the other ways would only say it again.
    for (unsigned workers : how.workers) {
        if (only) break;
        const std::string wrong = run_once(body, {workers, {}}, how.adjust);
        if (!wrong.empty()) return testing::AssertionFailure() << wrong;
    }
    for (std::uint64_t seed = only ? only : 1; seed <= (only ? only : how.seeds); ++seed) {
        const std::string wrong =
            run_once(body, {static_cast<unsigned>(1 + seed % 4), seed}, how.adjust);
        if (!wrong.empty())
            return testing::AssertionFailure() << wrong << "  replay: ./dev test --seed " << seed
                                               << " --filter " << current_case();
    }
    return testing::AssertionSuccess();
}

effort costly() { return {.seeds = test::seeds() / 20 + 1}; }
effort threads_only() { return {.seeds = 0}; }

}  // namespace heirloom::test
