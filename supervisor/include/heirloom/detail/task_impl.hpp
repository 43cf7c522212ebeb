#pragma once

// The templates of task.hpp, included in its middle.
#include <heirloom/task.hpp>

namespace heirloom {

enum class on_task_timeout : std::uint8_t {
    exit,       // the caller exits with `timeout`
    kill_task,  // the task is killed, and its result is the error `timeout`
};

/// How async_stream goes about it.
struct stream_options {
    /// Tasks at a time; 0: one a core.
    std::size_t max_concurrency = 0;
    /// Results in the order of the range, or as they come.
    bool ordered = true;
    /// For each task.
    duration limit = default_call_limit;
    /// A dynamic supervisor whose children they are.
    std::optional<supervisor_ref> under = {};
    on_task_timeout on_timeout = on_task_timeout::exit;
    /// Whether a crash of one takes the caller along; if not, or if the caller traps exits, it is that one's result.
    bool linked = true;
};

}  // namespace heirloom

namespace heirloom::detail {

template <class R>
struct task_value {
    reference ref;
    stored_reply<R> value;
};

enum class task_tie : std::uint8_t { linked, watched };

/// The task's own work: computes, then lets go of the owner before it answers, so that its end is no signal.
template <class R, class F>
struct task_body {
    F f;
    alias_ref answer;
    bool linked;

    template <class... A>
    void operator()(A... args) {
        if constexpr (std::is_void_v<R>) {
            std::invoke(std::move(f), std::move(args)...);
            if (linked) unlink(answer.owner);
            deliver_through(answer, new_user_message<task_value<R>>(task_value<R>{answer, {}}));
        } else {
            message* done = new_user_message<task_value<R>>(
                task_value<R>{answer, std::invoke(std::move(f), std::move(args)...)});
            if (linked) unlink(answer.owner);
            deliver_through(answer, done);
        }
    }
};

template <class F, class... A>
auto start_task(task_tie tie, F&& f, A&&... args) {
    using function = std::decay_t<F>;
    using R = std::invoke_result_t<function, stored_t<A>...>;
    if constexpr (!std::is_void_v<R>) check_sendable<R>();
    const alias_ref answer = alias();
    const bool linked = tie == task_tie::linked;
    const spawned_ids ids = spawn_function(
        {}, {.link = linked, .monitor = true},
        task_body<R, function>{std::forward<F>(f), answer, linked}, std::forward<A>(args)...);
    return task<R>(ids.process, ids.monitor, answer, linked);
}

/// A task that a supervisor starts waits until whoever asked for it watches it, so that nothing of its end is missed.
struct task_go {};
void await_go(pid owner);
/// Starts `body` as a temporary child, linked to the supervisor. Exits with its reason if it refuses.
pid start_task_child(supervisor_ref under, std::function<pid()> body);

template <class F, class... A>
auto start_task_under(supervisor_ref under, task_tie tie, F&& f, A&&... args) {
    using function = std::decay_t<F>;
    using R = std::invoke_result_t<function, stored_t<A>...>;
    if constexpr (!std::is_void_v<R>) check_sendable<R>();
    (check_sendable<stored_t<A>>(), ...);
    const alias_ref answer = alias();
    const bool linked = tie == task_tie::linked;
    struct work {
        task_body<R, function> body;
        std::tuple<stored_t<A>...> args;
    };
    // Shared, as a specification is copied: it is started once.
    auto todo = std::make_shared<work>(
        work{{std::forward<F>(f), answer, linked}, {std::forward<A>(args)...}});
    const pid process = start_task_child(under, [todo] {
        return spawn_link([todo] {
            await_go(todo->body.answer.owner);
            auto mine = std::move(*todo);
            std::apply(std::move(mine.body), std::move(mine.args));
        });
    });
    todo.reset();
    if (linked) link(process);
    const monitor_ref watch = monitor(process);
    deliver(process, new_user_message<task_go>());
    return task<R>(process, watch, answer, linked);
}

void check_task_owner(pid owner, bool valid, const char* function);

/// Takes the task's result out of the mailbox.
template <class R>
auto when_finished(const task<R>& t) {
    return when([ref = t.answer()](const task_value<R>& v) { return v.ref == ref; },
                [](task_value<R>&& v) -> std::optional<task_end<R>> {
                    if constexpr (std::is_void_v<R>)
                        return task_end<R>();
                    else
                        return task_end<R>(std::move(v.value));
                });
}

template <class R>
std::optional<task_end<R>> wait_for_task(task<R>& t, time_point deadline) {
    check_task_owner(t.owner(), static_cast<bool>(t), "await");
    using end = std::optional<task_end<R>>;
    const duration left = deadline == time_point::max()
                              ? forever
                              : std::max(duration::zero(), deadline - runtime_clock::now());
    end got = receive(when_finished(t),
                      when(t.watch(),
                           [](const down& d) -> end {
                               return end(task_end<R>(failure(task_error{d.reason, d.from})));
                           }),
                      after(left, []() -> end { return end(); }));
    if (got) t.forget();
    return got;
}

/// Ends the process and waits for its end; its exit signal does not reach us. Why it ended.
exit_reason end_task(pid process, const monitor_ref& watch, bool linked, duration limit,
                     bool at_once);
/// Of a caller that traps exits: the exit signal of a task whose end it knows already.
void forget_exit(pid process);
/// Without waiting; for destructors.
void kill_task(pid process, bool linked) noexcept;

template <class R>
std::optional<task_end<R>> stop_task(task<R>& t, duration limit, bool at_once) {
    check_task_owner(t.owner(), static_cast<bool>(t), "shutdown");
    if (auto done = wait_for_task(t, runtime_clock::now())) return done;
    const exit_reason why = end_task(t.pid(), t.watch(), t.linked(), limit, at_once);
    using end = std::optional<task_end<R>>;
    // It may have finished while it was told to stop.
    end got = receive(when_finished(t), after(duration::zero(), []() -> end { return end(); }));
    const pid process = t.pid();
    t.forget();
    if (got) return got;
    if (why == reason::shutdown || why == reason::killed) return end();
    return end(task_end<R>(failure(task_error{why, process})));
}

template <task_tie Tie>
struct async_fn {
    template <class F, class... A>
        requires std::is_invocable_v<std::decay_t<F>, stored_t<A>...>
    auto operator()(F&& f, A&&... args) const {
        return start_task(Tie, std::forward<F>(f), std::forward<A>(args)...);
    }
    template <class F, class... A>
        requires std::is_invocable_v<std::decay_t<F>, stored_t<A>...>
    auto operator()(supervisor_ref under, F&& f, A&&... args) const {
        return start_task_under(under, Tie, std::forward<F>(f), std::forward<A>(args)...);
    }
};

struct await_fn {
    template <class R>
    R operator()(task<R> t, duration limit = default_call_limit) const {
        auto end = wait_for_task(t, deadline_after(limit, "await"));
        if (!end) task_error{reason::timeout, t.pid()}.raise();
        if constexpr (std::is_void_v<R>)
            end->value();
        else
            return std::move(*end).value();
    }
};

struct await_many_fn {
    template <class R>
    auto operator()(std::vector<task<R>> tasks, duration limit = default_call_limit) const {
        const time_point deadline = deadline_after(limit, "await_many");
        auto one = [&](task<R>& t) {
            auto end = wait_for_task(t, deadline);
            if (!end) task_error{reason::timeout, t.pid()}.raise();
            return std::move(*end);
        };
        if constexpr (std::is_void_v<R>) {
            for (auto& t : tasks) one(t).value();
        } else {
            std::vector<R> values;
            values.reserve(tasks.size());
            for (auto& t : tasks) values.push_back(one(t).value());
            return values;
        }
    }
};

/// The results of async_stream, taken one by one. Tasks run ahead of the reader, as many as allowed. Destroyed
/// early, it kills those that run.
template <class Range, class F>
class task_stream {
public:
    using element = std::ranges::range_value_t<Range>;
    using value = std::invoke_result_t<F&, element>;

    task_stream(Range range, F f, stream_options options)
        : range_(std::make_unique<Range>(std::move(range))),
          at_(std::ranges::begin(*range_)),
          f_(std::move(f)),
          options_(options) {
        if (options_.limit < duration::zero())
            throw bad_argument("async_stream", "a negative limit");
        if (options_.max_concurrency == 0)
            options_.max_concurrency = std::max(1u, std::thread::hardware_concurrency());
    }
    task_stream(task_stream&&) = default;
    ~task_stream() {
        for (running& r : running_) kill_task(r.work.pid(), r.work.linked());
    }

    /// The next result; nothing after the last.
    std::optional<task_end<value>> next() {
        fill();
        if (running_.empty()) return std::nullopt;
        std::size_t chosen = 0;
        std::optional<task_end<value>> end =
            options_.ordered ? wait_for_task(running_.front().work, running_.front().deadline)
                             : first_done(chosen);
        if (!end) {
            if (options_.on_timeout == on_task_timeout::exit) exit(reason::timeout);
            running& late = running_[chosen];
            const pid process = late.work.pid();
            end = shutdown(std::move(late.work), brutal_kill);
            if (!end) end = task_end<value>(failure(task_error{reason::timeout, process}));
        }
        if (!*end && options_.linked) forget_exit(end->error().process);
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(chosen));
        fill();
        return end;
    }

    class iterator {
    public:
        using iterator_concept = std::input_iterator_tag;
        using value_type = task_end<value>;
        using difference_type = std::ptrdiff_t;
        explicit iterator(task_stream* s) : stream_(s), current_(s->next()) {}
        task_end<value>& operator*() const { return *current_; }
        iterator& operator++() {
            current_ = stream_->next();
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator& i, std::default_sentinel_t) { return !i.current_; }

    private:
        task_stream* stream_;
        mutable std::optional<task_end<value>> current_;
    };
    iterator begin() { return iterator(this); }
    std::default_sentinel_t end() const noexcept { return {}; }

private:
    struct running {
        task<value> work;
        time_point deadline;
    };
    void fill() {
        const task_tie tie = options_.linked ? task_tie::linked : task_tie::watched;
        for (; running_.size() < options_.max_concurrency && at_ != std::ranges::end(*range_);
             ++at_)
            running_.push_back({options_.under
                                    ? start_task_under(*options_.under, tie, f_, element(*at_))
                                    : start_task(tie, f_, element(*at_)),
                                deadline_after(options_.limit, "async_stream")});
    }
    // Whichever ends first, as `which`; nothing when the time of that one is up.
    std::optional<task_end<value>> first_done(std::size_t& which) {
        std::size_t i = 0;
        const auto is_mine = [&](auto&& same) {
            for (i = 0; i < running_.size(); ++i)
                if (same(running_[i].work)) return true;
            return false;
        };
        time_point soonest = time_point::max();
        std::size_t overdue = 0;
        for (std::size_t k = 0; k < running_.size(); ++k)
            if (running_[k].deadline < soonest) soonest = running_[k].deadline, overdue = k;
        const duration left = soonest == time_point::max()
                                  ? forever
                                  : std::max(duration::zero(), soonest - runtime_clock::now());
        using end = std::optional<task_end<value>>;
        end got = receive(
            when(
                [&](const task_value<value>& v) {
                    return is_mine([&](auto& t) {
                        return v.ref == static_cast<const reference&>(t.answer());
                    });
                },
                [](task_value<value>&& v) -> end {
                    if constexpr (std::is_void_v<value>)
                        return end(task_end<value>());
                    else
                        return end(task_end<value>(std::move(v.value)));
                }),
            when(
                [&](const down& d) { return is_mine([&](auto& t) { return d.ref == t.watch(); }); },
                [](const down& d) -> end {
                    return end(task_end<value>(failure(task_error{d.reason, d.from})));
                }),
            after(left, []() -> end { return end(); }));
        which = got ? i : overdue;
        if (got) running_[which].work.forget();
        return got;
    }

    std::unique_ptr<Range> range_;
    std::ranges::iterator_t<Range> at_;
    F f_;
    stream_options options_;
    std::deque<running> running_;
};

struct async_stream_fn {
    template <std::ranges::input_range Range, class F>
    auto operator()(Range&& range, F f, stream_options options = {}) const {
        return task_stream<std::decay_t<Range>, F>(std::forward<Range>(range), std::move(f),
                                                   options);
    }
};

}  // namespace heirloom::detail

template <class R>
struct heirloom::owns_what_it_holds<heirloom::detail::task_value<R>> : std::true_type {};
