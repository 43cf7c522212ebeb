#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <limits>
#include <optional>
#include <ranges>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/core.hpp>
#include <heirloom/ets/detail/traversal.hpp>
#include <heirloom/ets/errors.hpp>
#include <heirloom/ets/hash.hpp>
#include <heirloom/ets/options.hpp>
#include <heirloom/ets/transfer.hpp>
#include <heirloom/message.hpp>
#include <heirloom/result.hpp>

namespace heirloom::ets {

/// One step of update_counter: adds, then replaces a result that went beyond the threshold (OTP: {Pos, Incr, Threshold,
/// SetValue}): above it when `add` is zero or more, below it when `add` is negative.
template <class N>
struct counter_step {
    N add = 0;
    std::optional<N> threshold = {};
    N reset = 0;
};

namespace detail {

/// By value where that is cheaper.
template <class Hash, class K>
struct lookup_argument {
    using type = std::conditional_t<std::is_arithmetic_v<K> || std::is_enum_v<K>, K, const K&>;
};
template <class Hash, class K>
    requires requires { typename Hash::lookup_type; }
struct lookup_argument<Hash, K> {
    using type = typename Hash::lookup_type;
};

/// Applies `step`. False, and `number` as it was, if the sum does not fit.
template <class N>
constexpr bool count_on(N& number, const counter_step<N>& step) noexcept {
    N sum{};
    const bool overflows = __builtin_add_overflow(number, step.add, &sum);
    // Beyond the type is beyond the threshold too.
    if (step.threshold) {
        const bool up = !(step.add < N(0));
        number =
            overflows || (up ? sum > *step.threshold : sum < *step.threshold) ? step.reset : sum;
        return true;
    }
    if (!overflows) number = sum;
    return !overflows;
}

/// What all handles share, whatever the table's type: name, owner, heir, life.
class handle {
public:
    /// False for a handle that names no table, or whose table is gone.
    explicit operator bool() const noexcept { return core_->info().has_value(); }

    std::uint64_t id() const noexcept { return core_->id(); }
    atom name() const { return core_->name(); }
    /// Nothing if the table is gone. Any process or thread, whatever the access.
    std::optional<table_info> info() const { return core_->info(); }
    /// Deletes the table. From the moment it begins nobody finds it; its memory goes in the background.
    void delete_table() { core_->delete_table("delete_table"); }
    /// Makes `to` the owner; it gets an ets::transfer. An error if it is dead: the table is then still the caller's.
    /// Throws not_owner, already_owner.
    heirloom::result<void, give_away_error> give_away(pid to, gift data = {}) {
        return core_->give_away(to, std::move(data));
    }
    /// Changes access and heir, all or nothing. The owner alone.
    void setopts(const table_changes& changes) { core_->set_options(changes); }
    /// A new name. Throws name_taken, with nothing changed; also for the name it has.
    void rename(atom name) { core_->rename(name); }
    /// Fixes the table for the running process, or gives up one fixation of it; false if it had none. While a table
    /// is fixed, `next` and `prev` take keys that have been erased. A process's end releases all it has fixed.
    bool safe_fixtable(bool on) {
        if (on) {
            core_->fix("safe_fixtable");
            return true;
        }
        return core_->unfix("safe_fixtable");
    }

    std::string to_string() const { return core_->label(); }
    const table_ref& core() const noexcept { return core_; }
    friend bool operator==(const handle&, const handle&) noexcept = default;

protected:
    handle() = default;
    explicit handle(table_ref ref) noexcept : core_(std::move(ref)) {}
    ~handle() = default;
    handle(const handle&) = default;
    handle(handle&&) noexcept = default;
    handle& operator=(const handle&) = default;
    handle& operator=(handle&&) noexcept = default;

    table_ref core_;
};
std::ostream& operator<<(std::ostream& out, const handle& h);

/// The verbs of a table with one row a key, over the rows of a set or of an ordered set.
template <class Derived, class K, class V, class Rows, class KeyArgument>
class keyed_table : public handle, public traversal<Derived, K, V> {
    friend class traversal<Derived, K, V>;
    using row = typename Rows::row;

public:
    using key_type = K;
    using mapped_type = V;
    using value_type = std::pair<K, V>;
    /// What a key is looked up by: std::string_view for strings.
    using key_argument = KeyArgument;

    /// Throws wrong_table_type.
    static Derived from(const any_table& table) {
        if (!table.is<Derived>())
            throw wrong_table_type("as", table.to_string(), describe_type(Derived::table_type_of),
                                   describe_type(table.core()->type()));
        return Derived(table.core());
    }
    operator any_table() const { return any_table(core_); }  // NOLINT(google-explicit-constructor)

    // --- One row ---

    /// Inserts the row, in place of the one with that key if there is one.
    void insert(K key, V value) {
        if constexpr (quick_change) {
            if (quick_writing scope{*this->core_}) [[likely]] {
                auto& t = rows();
                if (t.change_word(key, t.hash_of(key), scope.shared(),
                                  [&](V& there) { return there = value, true; })) [[likely]]
                    return;
            }
        }
        insert_slowly(std::move(key), std::move(value));
    }
    /// Inserts the row if the key is absent; says whether it did.
    bool insert_new(K key, V value) {
        writing scope(*this->core_, "insert_new");
        auto& t = rows();
        const auto hash = t.hash_of(key);
        bool spilled;
        {
            typename Rows::place p(t, key, hash, scope.shared());
            if (p.found()) return false;
            p.add(make(hash, std::move(key), std::move(value)));
            spilled = p.spilled();
        }
        t.added(scope.shared(), scope.self(), spilled);
        return true;
    }
    /// A copy of the value, if the key is there.
    [[gnu::always_inline]] std::optional<V> lookup(key_argument key) const {
        if constexpr (fits_register) {
            const auto found = find_word(key);
            return found.there ? std::optional<V>(found.value) : std::nullopt;
        } else {
            reading scope(*this->core_, "lookup");
            std::optional<V> found;
            rows().read(key, [&](const V& value) { found.emplace(value); });
            return found;
        }
    }
    /// A copy of the value. Throws no_such_key.
    V at(key_argument key) const {
        auto found = lookup(key);
        if (!found) throw no_such_key("at", this->to_string(), describe(key));
        return *std::move(found);
    }
    bool member(key_argument key) const {
        reading scope(*this->core_, "member");
        return rows().read(key, [](const V&) {});
    }
    /// Calls `f(const V&)` on the value; false if the key is absent. The reference ends with the call.
    template <std::invocable<const V&> F>
    bool visit(key_argument key, F&& f) const {
        reading scope(*this->core_, "visit");
        heirloom::detail::callback_scope inside;
        return rows().read(key, [&](const V& value) { std::invoke(f, value); });
    }
    /// One member of the value. Throws no_such_key.
    template <class M, class C>
        requires std::derived_from<V, C>
    M lookup_element(key_argument key, M C::*member) const {
        reading scope(*this->core_, "lookup_element");
        std::optional<M> found;
        if (!rows().read(key, [&](const V& value) { found.emplace(value.*member); }))
            throw no_such_key("lookup_element", this->to_string(), describe(key));
        return *std::move(found);
    }
    /// Removes the row and returns its value.
    std::optional<V> take(key_argument key) {
        writing scope(*this->core_, "take");
        return remove(key, scope, [](const V& value) { return std::optional<V>(value); });
    }
    /// Removes the row; says whether there was one. Never a safe point.
    bool erase(key_argument key) {
        writing scope(*this->core_, "erase", writing::quietly{});
        return remove(key, scope, [](const V&) { return std::optional<bool>(true); }).has_value();
    }
    /// The same for destructors: false also when the table is gone or may not be written.
    bool try_erase(key_argument key) noexcept {
        try {
            return erase(key);
        } catch (const heirloom::error&) {
            return false;
        }
    }
    /// Removes the row if it has that value (OTP: delete_object). Never a safe point.
    bool erase_object(key_argument key, const V& value) {
        writing scope(*this->core_, "erase_object", writing::quietly{});
        return remove(key, scope,
                      [&](const V& found) {
                          heirloom::detail::callback_scope inside;
                          return found == value ? std::optional<bool>(true) : std::nullopt;
                      })
            .has_value();
    }
    /// Changes one row atomically: `f` gets a copy of the value, runs once, and changes it (`V&`) or returns the new one.
    /// False, and `f` not called, if the key is absent.
    template <class F>
        requires std::invocable<F&, V&>
    bool update(key_argument key, F&& f) {
        writing scope(*this->core_, "update");
        return change(key, scope, [&](V& value) {
            heirloom::detail::callback_scope inside;
            if constexpr (std::is_void_v<std::invoke_result_t<F&, V&>>)
                std::invoke(f, value);
            else
                value = std::invoke(f, value);
        });
    }
    /// Changes members of one value atomically: `update_element(k, &V::a, 1, &V::b, 2)`, in order. False if the key is absent.
    template <class... A>
    bool update_element(key_argument key, A&&... members_and_values) {
        static_assert(sizeof...(A) % 2 == 0,
                      "heirloom: update_element takes pairs of &V::member and a value");
        writing scope(*this->core_, "update_element");
        return change(key, scope,
                      [&](V& value) { assign(value, std::forward<A>(members_and_values)...); });
    }

    // --- Counters. Atomic; a sum that does not fit the type throws counter_overflow and nothing is added. ---

    /// Adds to the value and returns the sum. Throws no_such_key.
    V update_counter(key_argument key, std::type_identity_t<V> add)
        requires std::integral<V>
    {
        return count_value(key, nullptr, counter_step<V>{.add = add});
    }
    V update_counter(key_argument key, const counter_step<std::type_identity_t<V>>& step)
        requires std::integral<V>
    {
        return count_value(key, nullptr, step);
    }
    /// With a value to start from when the key is absent.
    V update_counter(key_argument key, const counter_step<std::type_identity_t<V>>& step,
                     const V& initial)
        requires std::integral<V>
    {
        return count_value(key, &initial, step);
    }
    V update_counter(key_argument key, std::type_identity_t<V> add, const V& initial)
        requires std::integral<V>
    {
        return count_value(key, &initial, counter_step<V>{.add = add});
    }
    /// The same for a member of the value: `update_counter(k, &V::hits, 1)`.
    template <std::integral N, class C>
        requires std::derived_from<V, C>
    N update_counter(key_argument key, N C::*member, std::type_identity_t<N> add) {
        return count(
            key, nullptr, [&](V& v) -> N& { return v.*member; }, counter_step<N>{.add = add});
    }
    template <std::integral N, class C>
        requires std::derived_from<V, C>
    N update_counter(key_argument key, N C::*member,
                     const counter_step<std::type_identity_t<N>>& step) {
        return count(
            key, nullptr, [&](V& v) -> N& { return v.*member; }, step);
    }
    template <std::integral N, class C>
        requires std::derived_from<V, C>
    N update_counter(key_argument key, N C::*member,
                     const counter_step<std::type_identity_t<N>>& step, const V& initial) {
        return count(
            key, &initial, [&](V& v) -> N& { return v.*member; }, step);
    }
    /// Several steps, in order, each on the result of the one before; returns every result. One atomic change.
    std::vector<V>
    update_counter(key_argument key,
                   std::initializer_list<counter_step<std::type_identity_t<V>>> steps)
        requires std::integral<V>
    {
        std::vector<V> results;
        count_all(key, nullptr, [&](V& value) {
            for (const auto& step : steps) results.push_back(counted(key, value, step));
        });
        return results;
    }
    /// Several members: `update_counters(k, ets::step(&V::hits, 1), ets::step(&V::misses, {.add = 1, .threshold = 9}))`.
    template <class... Step>
        requires(sizeof...(Step) > 0)
    auto update_counters(key_argument key, const Step&... steps) {
        std::optional<std::tuple<typename Step::number...>> results;
        count_all(key, nullptr, [&](V& value) {
            results.emplace(std::tuple<typename Step::number...>{
                counted(key, value.*steps.member, steps.step)...});
        });
        return *results;
    }

    // --- Many rows, atomically and isolated: others see none of them or all ---

    /// Inserts every row of the range; of two with one key the later stays.
    template <std::ranges::input_range R>
    void insert(R&& rows_to_insert) {
        insert_all("insert", rows_to_insert, false);
    }
    void insert(std::initializer_list<value_type> rows_to_insert) {
        insert_all("insert", rows_to_insert, false);
    }
    /// Inserts all of them if none of the keys is there; says whether it did.
    template <std::ranges::input_range R>
    bool insert_new(R&& rows_to_insert) {
        return insert_all("insert_new", rows_to_insert, true);
    }
    bool insert_new(std::initializer_list<value_type> rows_to_insert) {
        return insert_all("insert_new", rows_to_insert, true);
    }
    /// Replaces the whole table by what `more()` returns: batches of rows, until it returns nothing.
    template <class F>
    void init_table(F&& more) {
        clear();
        while (auto batch = more()) insert(*batch);
    }

    // --- The whole table ---

    std::size_t size() const {
        reading scope(*this->core_, "size");
        return rows().size();
    }
    /// Removes all rows at one moment.
    void clear() { this->core_->delete_all("clear", make_rows(this->core_->seed())); }

protected:
    keyed_table() = default;
    explicit keyed_table(table_ref ref) noexcept : handle(std::move(ref)) {}
    explicit keyed_table(const table_options& options)
        : handle(
              table_ref(table_core::create(Derived::table_type_of, options, "new", &make_rows))) {}
    static table_ref claimed_or_made(const table_options& options) {
        return table_ref(table_core::claim_or_create(Derived::table_type_of, options, &make_rows));
    }
    static contents_ptr make_rows(std::uint64_t seed) {
        return own_contents(std::make_unique<Rows>(seed));
    }
    Rows& rows() const noexcept { return *static_cast<Rows*>(this->core_->rows()); }

private:
    // A value that goes through a register does so next to the word that says whether it was there: an optional would be
    // put together in memory, byte by byte, and read back as a whole, which waits for the stores.
    static constexpr bool fits_register = Rows::is_quick && sizeof(V) <= sizeof(std::uint64_t) &&
                                          std::is_trivially_copyable_v<V> &&
                                          std::is_trivially_default_constructible_v<V>;
    struct found_word {
        V value;
        std::uint64_t there;
    };
    // Whether a row can be changed the short way: one store, and no user's code.
    static constexpr bool quick_change = Rows::is_quick && Rows::value_is_word;
    // The short way needs no register saved and no call: what it leaves over is called at its very end.
    [[gnu::noinline]] found_word find_word(key_argument key) const {
        if (quick_reading scope{*this->core_}) [[likely]] {
            const Rows& t = rows();
            V value;
            const auto seen =
                t.read_quickly(key, t.hash_of(key), [&](const V& there) { value = there; });
            if (seen == Rows::sight::present) [[likely]]
                return {value, true};
            if (seen == Rows::sight::absent) return {V{}, false};
        }
        return find_word_slowly(key);
    }
    [[gnu::noinline]] found_word find_word_slowly(key_argument key) const {
        reading scope(*this->core_, "lookup");
        found_word found{};
        found.there = rows().read(key, [&](const V& value) { found.value = value; });
        return found;
    }

    void require_writer(const char* verb) const { writing scope(*this->core_, verb); }
    static bool same_row(const K&, const K&) noexcept { return false; }
    template <class P>
    std::size_t erase_matching(const K& key, const char* verb, P& predicate) {
        writing scope(*this->core_, verb);
        auto& t = rows();
        {
            typename Rows::place p(t, key, t.hash_of(key), scope.shared());
            if (!p.found()) return 0;
            {
                heirloom::detail::callback_scope inside;
                if (!predicate(key, p.current().value())) return 0;
            }
            p.erase();
        }
        t.erased(scope.shared(), scope.self());
        return 1;
    }
    template <class P, class F>
    std::size_t replace_matching(const K& key, const char* verb, P& predicate, F& f) {
        writing scope(*this->core_, verb);
        auto& t = rows();
        const auto hash = t.hash_of(key);
        typename Rows::place p(t, key, hash, scope.shared());
        if (!p.found()) return 0;
        const row& now = p.current();
        heirloom::detail::callback_scope inside;
        if (!predicate(now.key(), now.value())) return 0;
        p.replace(make(hash, now.key(), V(f(now.key(), now.value()))));
        return 1;
    }
    template <class R>
    bool insert_all(const char* verb, R&& range, bool only_new) {
        heirloom::detail::refuse_in_callback(verb);
        require_writer(verb);
        // Made ready first: whatever throws, or kills, does so before the table is touched.
        std::vector<typename Rows::ready> fresh;
        if constexpr (std::ranges::sized_range<R>) fresh.reserve(std::ranges::size(range));
        const std::uint64_t seed = this->core_->seed();
        for (const auto& [key, value] : range) {
            fresh.push_back(Rows::make_ready(seed, key, value));
            rest_after(fresh.size());
        }
        Rows::arrange(fresh);
        in_steps([&] {
            writing scope(*this->core_, verb);
            return rows().provide_for(fresh.size(), scope.shared());
        });
        typename Rows::bulk_insert bulk(std::move(fresh), only_new);
        in_steps([&] {
            writing scope(*this->core_, verb);
            return bulk.step(rows(), scope.shared(), scope.self());
        });
        return bulk.inserted();
    }
    static auto make(std::uint64_t hash, K key, V value) {
        return Rows::make(hash, std::move(key), std::move(value));
    }

    [[gnu::noinline]] void insert_slowly(K key, V value) {
        writing scope(*this->core_, "insert");
        auto& t = rows();
        const auto hash = t.hash_of(key);
        bool spilled;
        if constexpr (Rows::boxed) {
            auto fresh = make(hash, std::move(key), std::move(value));  // before the place is held
            const K& its_key = fresh->key();
            typename Rows::place p(t, its_key, hash, scope.shared());
            if (p.found()) return p.replace(std::move(fresh));
            p.add(std::move(fresh));
            spilled = p.spilled();
        } else {
            typename Rows::place p(t, key, hash, scope.shared());
            if (p.found()) return p.replace(make(hash, key, value));
            p.add(make(hash, key, value));
            spilled = p.spilled();
        }
        t.added(scope.shared(), scope.self(), spilled);
    }
    /// Erases the row if `f` of its value has a value, and returns that.
    template <class F>
    auto remove(key_argument key, const writing& scope, F&& f)
        -> std::invoke_result_t<F&, const V&> {
        auto& t = rows();
        std::invoke_result_t<F&, const V&> result;
        {
            typename Rows::place p(t, key, t.hash_of(key), scope.shared());
            if (!p.found()) return result;
            result = f(p.current().value());
            if (!result) return result;
            p.erase();
        }
        t.erased(scope.shared(), scope.self());
        return result;
    }
    template <class F>
    bool change(key_argument key, const writing& scope, F&& f) {
        auto& t = rows();
        const auto hash = t.hash_of(key);
        typename Rows::place p(t, key, hash, scope.shared());
        if (!p.found()) return false;
        const row& now = p.current();
        V value(now.value());
        f(value);
        p.replace(make(hash, now.key(), std::move(value)));
        return true;
    }

    template <class A, class B, class... Rest>
    static void assign(V& value, A member, B&& to, Rest&&... rest) {
        value.*member = std::forward<B>(to);
        if constexpr (sizeof...(Rest) > 0) assign(value, std::forward<Rest>(rest)...);
    }
    static void assign(V&) noexcept {}

    template <class N>
    N counted(key_argument key, N& number, const counter_step<N>& step) const {
        if (!count_on(number, step)) {
            // The key may be printed by the user's code.
            const heirloom::detail::callback_scope inside;
            throw counter_overflow("update_counter", this->to_string(), describe(key));
        }
        return number;
    }
    [[gnu::always_inline]] V count_value(key_argument key, const V* initial,
                                         const counter_step<V>& step) {
        if constexpr (quick_change) {
            if (quick_writing scope{*this->core_}) [[likely]] {
                const K exact = key;
                V result{};
                bool fits = true;
                auto& t = rows();
                if (t.change_word(exact, t.hash_of(exact), scope.shared(),
                                  [&](V& value) {
                                      fits = count_on(value, step);
                                      result = value;
                                      return fits;
                                  }) &&
                    fits) [[likely]]
                    return result;
            }
        }
        return count_slowly(key, initial, counter_step<V>(step));
    }
    [[gnu::noinline]] V count_slowly(key_argument key, const V* initial, counter_step<V> step) {
        return count(
            key, initial, [](V& v) -> V& { return v; }, step);
    }
    template <class Member, class N>
    N count(key_argument key, const V* initial, Member&& member, const counter_step<N>& step) {
        N result{};
        count_all(key, initial, [&](V& value) { result = counted(key, member(value), step); });
        return result;
    }
    template <class F>
    void count_all(key_argument key, const V* initial, F&& f) {
        writing scope(*this->core_, "update_counter");
        auto& t = rows();
        const auto hash = t.hash_of(key);
        bool spilled;
        {
            typename Rows::place p(t, key, hash, scope.shared());
            if (p.found()) {
                const row& now = p.current();
                V value(now.value());
                f(value);
                p.replace(make(hash, now.key(), std::move(value)));
                return;
            }
            if (!initial) {
                p.unlock();
                throw no_such_key("update_counter", this->to_string(), describe(key));
            }
            V value(*initial);
            f(value);
            p.add(make(hash, K(key), std::move(value)));
            spilled = p.spilled();
        }
        t.added(scope.shared(), scope.self(), spilled);
    }
};

}  // namespace detail

/// One step of update_counters.
template <class V, class N>
struct member_step {
    using number = N;
    N V::*member;
    counter_step<N> step;
};
template <class V, std::integral N>
member_step<V, N> step(N V::*member, std::type_identity_t<N> add) {
    return {member, {.add = add}};
}
template <class V, std::integral N>
member_step<V, N> step(N V::*member, const counter_step<std::type_identity_t<N>>& s) {
    return {member, s};
}

}  // namespace heirloom::ets
