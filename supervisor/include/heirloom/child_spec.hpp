#pragma once

#include <any>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <heirloom/clock.hpp>
#include <heirloom/detail/server_core.hpp>
#include <heirloom/gen_server.hpp>
#include <heirloom/server.hpp>

namespace heirloom {

/// When a child that ended is started again.
enum class restart_type : std::uint8_t {
    permanent,  // always
    transient,  // unless it ended with normal, shutdown or {shutdown, X}
    temporary,  // never; the supervisor forgets it
};
using enum restart_type;

enum class child_type : std::uint8_t { worker, supervisor };

/// How many restarts within how long are too many: one more than `restarts` within `within`.
struct restart_intensity {
    int restarts = 3;
    duration within = std::chrono::seconds(5);
};

/// Waits before a restart: `initial`, then `factor` times the last wait, `maximum` at most, each made up to
/// `jitter` (a fraction, 1 at most) longer at random; from the beginning after the child has lived for `reset_after`.
struct back_off {
    duration initial = {};  // 0: none
    double factor = 2.0;
    duration maximum = std::chrono::seconds(30);
    double jitter = 0.0;
    duration reset_after = std::chrono::minutes(1);
};

struct brutal_kill_t {};
/// For child_spec::shutdown: `kill` at once.
inline constexpr brutal_kill_t brutal_kill{};

/// A started child: its process, and what its start function had to say besides. Empty pid: it is not wanted
/// now (its start said ignore).
struct started_child {
    heirloom::pid pid;
    std::any info = {};
    operator heirloom::pid() const noexcept { return pid; }  // NOLINT: identity is free
};

namespace detail {

/// A child specification, shared by those that copy it: constant once a supervisor has it.
class child_data : public std::enable_shared_from_this<child_data> {
public:
    explicit child_data(std::string child_id, const server_identity* what)
        : id(std::move(child_id)), identity(what) {}
    virtual ~child_data() = default;
    virtual std::shared_ptr<child_data> clone() const = 0;
    /// The specification of one child of many (simple_one_for_one), given its own arguments, a tuple in `extra`.
    /// Null: they are not of the types it takes.
    virtual std::shared_ptr<const child_data>
    with_extra(const std::shared_ptr<const child_data>& self, const std::any& extra) const {
        return extra.has_value() ? nullptr : self;
    }
    /// Whether it starts only as one of many, with arguments of its own.
    virtual bool is_template() const noexcept { return false; }
    /// Starts it, linked to the running process. `self` keeps the arguments alive while it starts.
    virtual start_end start(const std::shared_ptr<const child_data>& self, start_watch* watch,
                            std::any& info) const = 0;

    struct extras {
        back_off delay;
        std::optional<restart_intensity> budget;
        std::shared_ptr<const name_keeper> name;
    };
    /// How it is made to end. No duration stands for anything but itself.
    struct ending {
        enum class way : std::uint8_t { by_type, in_time, brutal } how = way::by_type;
        duration limit{};  // of in_time
    };

    std::string id;
    const server_identity* identity;  // null: not known
    ending shutdown;
    restart_type restart = permanent;
    child_type type = child_type::worker;
    bool significant = false;
    std::shared_ptr<const extras> more;

protected:
    child_data(const child_data&) = default;
};

template <class... A>
struct kept_args {
    // Shared with the specification: the constructor sees them as const, as it will at the next restart.
    std::shared_ptr<const std::tuple<A...>> values;
    void apply(auto&& f) {
        std::apply([&](const A&... a) { f(a...); }, *values);
    }
};

template <class T, class... A>
class server_child final : public child_data {
public:
    template <class... B>
    server_child(std::string child_id, atom name, B&&... args)
        : child_data(std::move(child_id), &identity_of<T>),
          name_(name),
          args_(std::forward<B>(args)...) {}
    std::shared_ptr<child_data> clone() const override {
        return std::make_shared<server_child>(*this);
    }

    start_end start(const std::shared_ptr<const child_data>& self, start_watch* watch,
                    std::any&) const override {
        using kept = kept_args<A...>;
        using request = start_request<kept>;
        call_message* first = new_message<typed_call<request>>(
            start_request_type<T, kept>,
            request{{start_name(name_, more ? more->name : nullptr), heirloom::self(), true,
                     watch != nullptr ? watch->past : restart_history{}},
                    {std::shared_ptr<const std::tuple<A...>>(self, &args_)}});
        message_ptr guard(first);
        auto* core = new typename behaviour_of<T>::driver;
        guard.release();
        return start_core(core, first, {.link = true, .watch = watch});
    }

private:
    atom name_;
    std::tuple<A...> args_;
};

/// The specification that simple_one_for_one makes its children of: the constructor gets the arguments kept here,
/// then those given to start_child, of the types Extra.
template <class T, class ExtraTuple, class... A>
class server_template;
template <class T, class... Extra, class... A>
class server_template<T, std::tuple<Extra...>, A...> final : public child_data {
public:
    template <class... B>
    explicit server_template(std::string child_id, B&&... args)
        : child_data(std::move(child_id), &identity_of<T>), args_(std::forward<B>(args)...) {}
    std::shared_ptr<child_data> clone() const override {
        return std::make_shared<server_template>(*this);
    }

    std::shared_ptr<const child_data> with_extra(const std::shared_ptr<const child_data>&,
                                                 const std::any& extra) const override {
        static constexpr bool none = sizeof...(Extra) == 0;
        const std::any nothing = none ? std::any(std::tuple<>()) : std::any();
        const auto* given =
            std::any_cast<std::tuple<Extra...>>(none && !extra.has_value() ? &nothing : &extra);
        if (given == nullptr) return nullptr;
        return std::apply(
            [&](const A&... a) {
                return std::apply(
                    [&](const Extra&... e) {
                        auto made = std::make_shared<server_child<T, A..., Extra...>>(id, atom(),
                                                                                      a..., e...);
                        made->shutdown = shutdown;
                        made->restart = restart;
                        made->type = type;
                        made->significant = significant;
                        made->more = more;
                        return std::shared_ptr<const child_data>(std::move(made));
                    },
                    *given);
            },
            args_);
    }
    bool is_template() const noexcept override { return true; }
    start_end start(const std::shared_ptr<const child_data>&, start_watch*,
                    std::any&) const override {
        return {start_end::kind::failed, {}, {}, "no_arguments"_a};
    }

private:
    std::tuple<A...> args_;
};

start_end to_start_end(const start_error& e);
start_end to_start_end(pid started);

template <class F>
class function_child final : public child_data {
public:
    function_child(std::string child_id, F f)
        : child_data(std::move(child_id), nullptr), function_(std::move(f)) {}
    std::shared_ptr<child_data> clone() const override {
        return std::make_shared<function_child>(*this);
    }

    start_end start(const std::shared_ptr<const child_data>&, start_watch*,
                    std::any& info) const override {
        return convert(function_(), info);
    }

private:
    static start_end convert(pid p, std::any&) { return to_start_end(p); }
    static start_end convert(started_child c, std::any& info) {
        info = std::move(c.info);
        return to_start_end(c.pid);
    }
    template <class V>
    static start_end convert(result<V, start_error> r, std::any& info) {
        if (!r) return to_start_end(r.error());
        return convert(std::move(*r), info);
    }
    F function_;
};

template <class T>
inline constexpr bool is_supervisor = false;

}  // namespace detail

/// How to start a child, and what to do when it ends. Made by `child<T>(...)`, refined by the members, copied
/// freely. What cannot be right (a negative shutdown) is said by the supervisor that gets it.
class child_spec {
public:
    explicit child_spec(std::shared_ptr<detail::child_data> data) noexcept
        : data_(std::move(data)) {}

    /// Default: permanent.
    child_spec& restart(restart_type when) { return own().restart = when, *this; }
    /// How long it may take to end after it was told to, before it is killed; `forever` waits.
    /// Default: 5 s for a worker, `forever` for a supervisor.
    child_spec& shutdown(duration limit) {
        return own().shutdown = {detail::child_data::ending::way::in_time, limit}, *this;
    }
    child_spec& shutdown(brutal_kill_t) {
        return own().shutdown = {detail::child_data::ending::way::brutal, {}}, *this;
    }
    /// Its end can end the supervisor: see supervisor::init_result::auto_shutdown.
    child_spec& significant(bool on = true) { return own().significant = on, *this; }
    child_spec& type(child_type t) { return own().type = t, *this; }
    child_spec& id(std::string name) { return own().id = std::move(name), *this; }
    /// Waits before it is restarted.
    child_spec& delay(const back_off& how);
    /// Restarts that this child has for itself, beside the supervisor's intensity: when they are used up, the
    /// child stays stopped and the supervisor goes on.
    child_spec& budget(const restart_intensity& limit);
    /// The name, kept by a registry or another keeper, that it has while it runs: a via<T>. Throws bad_argument if the child is
    /// not a T; where `child<T>` is seen that is an error of the compiler's.
    template <class Via>
        requires requires(const Via& v) { v.keeper(); }
    child_spec& name(const Via& name) {
        return named(name.keeper(), detail::identity_of<typename Via::server_type>);
    }

    const std::string& id() const noexcept { return data_->id; }
    restart_type restart() const noexcept { return data_->restart; }
    child_type type() const noexcept { return data_->type; }
    bool significant() const noexcept { return data_->significant; }
    bool kills_at_once() const noexcept {
        return data_->shutdown.how == detail::child_data::ending::way::brutal;
    }
    /// The limit in force; 0 for brutal_kill.
    duration shutdown() const noexcept;
    back_off delay() const { return data_->more ? data_->more->delay : back_off{}; }
    std::optional<restart_intensity> budget() const {
        return data_->more ? data_->more->budget : std::nullopt;
    }

    const std::shared_ptr<detail::child_data>& data() const noexcept { return data_; }

private:
    detail::child_data& own() {
        if (data_.use_count() > 1) data_ = data_->clone();
        return *data_;
    }
    detail::child_data::extras& own_extras();
    child_spec& named(std::shared_ptr<const name_keeper> keeper, const detail::server_identity& of);
    std::shared_ptr<detail::child_data> data_;
};

/// The specification of a child that is known to run a T: a child_spec, of which nothing is left out when it is used as one.
template <class T>
class child_of : public child_spec {
public:
    using child_spec::budget;
    using child_spec::child_spec;
    using child_spec::delay;
    using child_spec::id;
    using child_spec::restart;
    using child_spec::shutdown;
    using child_spec::significant;
    using child_spec::type;

    child_of& restart(restart_type when) { return child_spec::restart(when), *this; }
    child_of& shutdown(duration limit) { return child_spec::shutdown(limit), *this; }
    child_of& shutdown(brutal_kill_t) { return child_spec::shutdown(brutal_kill), *this; }
    child_of& significant(bool on = true) { return child_spec::significant(on), *this; }
    child_of& type(child_type t) { return child_spec::type(t), *this; }
    child_of& id(std::string name) { return child_spec::id(std::move(name)), *this; }
    child_of& delay(const back_off& how) { return child_spec::delay(how), *this; }
    child_of& budget(const restart_intensity& limit) { return child_spec::budget(limit), *this; }
    template <class Via>
        requires requires(const Via& v) { v.keeper(); }
    child_of& name(const Via& name) {
        static_assert(std::is_same_v<typename Via::server_type, T>,
                      "heirloom: this name stands for a server of another class than the child's");
        return child_spec::name(name), *this;
    }
};

namespace detail {
template <class T, class... A>
child_of<T> make_child(std::string id, atom name, A&&... args) {
    static_assert(
        (std::is_copy_constructible_v<stored_t<A>> && ...),
        "heirloom: a child is constructed again at every restart, so its arguments are kept and "
        "copied; this one can only be moved");
    if constexpr ((std::is_copy_constructible_v<stored_t<A>> && ...)) {
        static_assert(
            std::is_constructible_v<T, const stored_t<A>&...>,
            "heirloom: the server has no constructor for these start arguments (passed as const&)");
        (check_sendable<stored_t<A>>(), ...);
        check_destructor<T>();
        if constexpr (std::is_constructible_v<T, const stored_t<A>&...>) {
            child_of<T> spec(std::make_shared<server_child<T, stored_t<A>...>>(
                std::move(id), name, std::forward<A>(args)...));
            if constexpr (is_supervisor<T>) spec.type(child_type::supervisor);
            return spec;
        }
    }
    return child_of<T>(nullptr);
}
}  // namespace detail

/// A child that runs a T, made of the arguments at every start; they are kept as they are and given as const&.
/// With a server_name, that is both the registered name and the id; else the first argument is the id.
template <class T, class... A>
[[nodiscard]] child_of<T> child(server_name<T> name, A&&... args) {
    return detail::make_child<T>(std::string(name.name().text()), name.name(),
                                 std::forward<A>(args)...);
}
template <class T, class... A>
[[nodiscard]] child_of<T> child(std::string id, A&&... args) {
    return detail::make_child<T>(std::move(id), atom(), std::forward<A>(args)...);
}
/// Without an id: for a dynamic supervisor, which needs none.
template <class T>
[[nodiscard]] child_of<T> child() {
    return detail::make_child<T>(std::string(), atom());
}

/// The one specification of a simple_one_for_one supervisor whose start_child gives each child further arguments:
/// child_template<room, std::string>("room", lobby) makes room(lobby, name) by start_child(sup, name).
template <class T, class... Extra, class... A>
[[nodiscard]] child_of<T> child_template(std::string id, A&&... args) {
    static_assert(((std::is_copy_constructible_v<detail::stored_t<A>> && ...) && ... &&
                   std::is_copy_constructible_v<Extra>),
                  "heirloom: a child is constructed again at every restart, so its arguments are "
                  "kept and copied; "
                  "this one can only be moved");
    static_assert(
        std::is_constructible_v<T, const detail::stored_t<A>&..., const Extra&...>,
        "heirloom: the server has no constructor for these start arguments (passed as const&)");
    return child_of<T>(
        std::make_shared<detail::server_template<T, std::tuple<Extra...>, detail::stored_t<A>...>>(
            std::move(id), std::forward<A>(args)...));
}

/// A child that `f()` starts, linked to the supervisor that calls it. It returns a pid, a started_child, or the
/// result of a start_link. An exception, or no process, is a failed start.
template <class F>
[[nodiscard]] child_spec child_function(std::string id, F f) {
    static_assert(std::is_copy_constructible_v<F>,
                  "heirloom: a child is started again at every restart, so its start function is "
                  "kept and copied");
    return child_spec(std::make_shared<detail::function_child<F>>(std::move(id), std::move(f)));
}

}  // namespace heirloom
