#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/hash_rows.hpp>
#include <heirloom/ets/detail/hash_walk.hpp>
#include <heirloom/ets/detail/keyed_table.hpp>
#include <heirloom/ets/detail/traversal.hpp>
#include <heirloom/ets/hash.hpp>

namespace heirloom::ets {
namespace detail {

/// The values of one key of a bag, in the order they came: a value that never changes, though adding to the newest version
/// costs no copy of the rest. Versions share their chunks; each knows how much of the last one is its own. Only the
/// holder of the row's place adds, so one chunk has one writer; others read what they knew when it was published.
template <class V>
class bag_values {
public:
    bag_values() = default;

    std::size_t size() const noexcept { return last_ ? last_->before + in_last_ : 0; }

    /// This with `value` after it.
    bag_values with(const V& value) const {
        bag_values next(*this);
        if (!last_ || in_last_ == last_->capacity || last_->items.size() != in_last_) {
            // A sixteenth of what is there, from some size on: chunks are destroyed one inside the other, and stacks small.
            const std::size_t capacity =
                std::clamp<std::size_t>(size(), 1, std::max<std::size_t>(size() / 16, 4096));
            next.last_ = std::make_shared<chunk>(last_, in_last_, size(), capacity);
            next.in_last_ = 0;
        }
        next.last_->items.push_back(value);  // within its capacity: nothing moves under a reader
        ++next.in_last_;
        return next;
    }
    /// Calls `f(value)` for each, oldest first, until it returns false.
    template <class F>
    void each(F&& f) const {
        std::vector<std::pair<const chunk*, std::size_t>> chunks;
        std::size_t n = in_last_;
        for (const chunk* c = last_.get(); c; n = c->in_older, c = c->older.get())
            chunks.emplace_back(c, n);
        for (auto it = chunks.rbegin(); it != chunks.rend(); ++it) {
            const V* values = it->first->items.data();
            for (std::size_t i = 0; i < it->second; ++i)
                if (!f(values[i])) return;
        }
    }
    bool contains(const V& value) const {
        bool found = false;
        each([&](const V& v) { return !(found = v == value); });
        return found;
    }
    std::vector<V> to_vector() const {
        std::vector<V> all;
        all.reserve(size());
        each([&](const V& v) { return all.push_back(v), true; });
        return all;
    }

private:
    struct chunk {
        chunk(std::shared_ptr<const chunk> o, std::size_t n, std::size_t b, std::size_t c)
            : older(std::move(o)), in_older(n), before(b), capacity(c) {
            items.reserve(c);
        }
        std::shared_ptr<const chunk> older;
        std::size_t in_older;  // how much of `older` belongs to this version
        std::size_t before;    // values in all older chunks
        std::size_t capacity;
        std::vector<V> items;
    };
    std::shared_ptr<chunk> last_;
    std::size_t in_last_ = 0;
};

/// What bag and duplicate_bag share.
template <class Derived, class K, class V, class Hash, class Equal, bool Duplicates>
class bag_table : public handle, public traversal<Derived, K, V> {
    friend class traversal<Derived, K, V>;
    template <class, class>
    friend class pager;

protected:
    using values = bag_values<V>;
    using rows_type = hash_rows<K, values, Hash, Equal>;
    using row = typename rows_type::row;
    using place = typename rows_type::place;

public:
    using key_type = K;
    using mapped_type = V;
    using value_type = std::pair<K, V>;
    using key_argument = typename lookup_argument<Hash, K>::type;

    /// Throws wrong_table_type.
    static Derived from(const any_table& table) {
        if (!table.is<Derived>())
            throw wrong_table_type("as", table.to_string(), describe_type(Derived::table_type_of),
                                   describe_type(table.core()->type()));
        return Derived(table.core());
    }
    operator any_table() const { return any_table(core_); }  // NOLINT(google-explicit-constructor)

    // --- One key ---

    /// Adds the object after those of its key. A bag keeps one of equal objects.
    void insert(K key, V value) {
        writing scope(*core_, "insert");
        (void)add(scope, std::move(key), value, false);
    }
    /// Adds the object if its key has none; says whether it did.
    bool insert_new(K key, V value) {
        writing scope(*core_, "insert_new");
        return add(scope, std::move(key), value, true);
    }
    /// Copies of all values of the key, in the order they came.
    std::vector<V> lookup(key_argument key) const {
        reading scope(*core_, "lookup");
        std::vector<V> found;
        rows().read(key, [&](const values& v) { found = v.to_vector(); });
        return found;
    }
    bool member(key_argument key) const {
        reading scope(*core_, "member");
        return rows().read(key, [](const values&) {});
    }
    /// One member of every value of the key. Throws no_such_key.
    template <class M, class C>
        requires std::derived_from<V, C>
    std::vector<M> lookup_element(key_argument key, M C::*member) const {
        reading scope(*core_, "lookup_element");
        std::vector<M> found;
        if (!rows().read(key, [&](const values& all) {
                all.each([&](const V& v) { return found.push_back(v.*member), true; });
            }))
            throw no_such_key("lookup_element", to_string(), describe(key));
        return found;
    }
    /// Calls `f(const V&)` on every value of the key; false if there is none.
    template <std::invocable<const V&> F>
    bool visit(key_argument key, F&& f) const {
        reading scope(*core_, "visit");
        heirloom::detail::callback_scope inside;
        return rows().read(key, [&](const values& all) {
            all.each([&](const V& v) { return std::invoke(f, v), true; });
        });
    }
    /// Removes all objects of the key and returns their values.
    std::vector<V> take(key_argument key) {
        writing scope(*core_, "take");
        auto gone = remove_key(scope, key);
        return gone ? gone->to_vector() : std::vector<V>();
    }
    /// Removes all objects of the key; says whether there was one. Never a safe point.
    bool erase(key_argument key) {
        writing scope(*core_, "erase", writing::quietly{});
        return remove_key(scope, key).has_value();
    }
    /// The same for destructors: false also when the table is gone or may not be written.
    bool try_erase(key_argument key) noexcept {
        try {
            return erase(key);
        } catch (const heirloom::error&) {
            return false;
        }
    }
    /// Removes every copy of that object; how many there were.
    std::size_t erase_object(key_argument key, const V& value) {
        return remove_values("erase_object", key, [&](const V& v) { return v == value; });
    }

    // --- Many objects, atomically and isolated ---

    template <std::ranges::input_range R>
    void insert(R&& objects) {
        (void)insert_all("insert", objects, false);
    }
    void insert(std::initializer_list<value_type> objects) {
        (void)insert_all("insert", objects, false);
    }
    /// Adds all of them if none of the keys is there; says whether it did.
    template <std::ranges::input_range R>
    bool insert_new(R&& objects) {
        return insert_all("insert_new", objects, true);
    }
    bool insert_new(std::initializer_list<value_type> objects) {
        return insert_all("insert_new", objects, true);
    }
    /// Replaces the whole table by what `more()` returns: batches of objects, until it returns nothing.
    template <class F>
    void init_table(F&& more) {
        clear();
        while (auto batch = more()) insert(*batch);
    }

    // --- The whole table ---

    std::optional<K> first() const {
        reading scope(*core_, "first");
        return key_following<K, Equal>(rows(), *core_, 0, nullptr);
    }
    /// The key after `key`. Throws no_such_key if it is not there, unless the table is fixed.
    std::optional<K> next(key_argument key) const {
        reading scope(*core_, "next");
        const K exact(key);
        return key_following<K, Equal>(rows(), *core_, rows().hash_of(exact), &exact);
    }
    std::optional<K> last() const { return first(); }
    std::optional<K> prev(key_argument key) const { return next(key); }
    /// The objects of one bucket; nothing for the index after the last. Throws bad_table_argument beyond that.
    std::optional<std::vector<value_type>> slot(std::size_t index) const {
        reading scope(*core_, "slot");
        const auto buckets = rows().bucket_count();
        if (index > buckets)
            throw bad_table_argument("slot", to_string(),
                                     "there is no slot " + std::to_string(index));
        if (index == buckets) return std::nullopt;
        typename rows_type::seen_rows found;
        rows().gather_bucket(static_cast<std::uint32_t>(index), found);
        std::vector<value_type> result;
        for (const auto& r : found)
            r.get().value().each(
                [&](const V& v) { return result.emplace_back(r.get().key(), v), true; });
        return result;
    }
    /// How many objects.
    std::size_t size() const {
        reading scope(*core_, "size");
        return rows().size();
    }
    /// Removes all objects at one moment.
    void clear() { core_->delete_all("clear", make_rows(core_->seed())); }

    /// A bag cannot replace values in a walk: two could become equal.
    template <class P, class F>
    std::size_t select_replace(P&& predicate, F&& f) {
        static_assert(
            Duplicates,
            "heirloom: select_replace: a bag keeps one of equal objects; use a duplicate_bag");
        return traversal<Derived, K, V>::select_replace(predicate, f);
    }

    /// What counts or changes the one value of a key has no place in a bag (OTP: badarg).
    template <class... A>
    void update_counter(A&&...) {
        static_assert(
            sizeof...(A) > 9999,
            "heirloom: update_counter: a key of a bag has no one value to count on; use a set");
    }
    template <class... A>
    void update_element(A&&...) {
        static_assert(
            sizeof...(A) > 9999,
            "heirloom: update_element: a key of a bag has no one value to change; use a set");
    }

    friend std::ostream& operator<<(std::ostream& out, const Derived& b) {
        return out << static_cast<const handle&>(b);
    }

protected:
    bag_table() = default;
    explicit bag_table(table_ref ref) noexcept : handle(std::move(ref)) {}
    explicit bag_table(const table_options& options)
        : handle(
              table_ref(table_core::create(Derived::table_type_of, options, "new", &make_rows))) {
        static_assert(std::equality_comparable<V>,
                      "heirloom: the values of a bag can be compared with ==");
    }

    static table_ref claimed_or_made(const table_options& options) {
        return table_ref(table_core::claim_or_create(Derived::table_type_of, options, &make_rows));
    }

private:
    static contents_ptr make_rows(std::uint64_t seed) {
        return own_contents(std::make_unique<rows_type>(seed));
    }
    rows_type& rows() const noexcept { return *static_cast<rows_type*>(core_->rows()); }

    bool add(const writing& scope, K key, const V& value, bool only_new) {
        auto& t = rows();
        const auto hash = t.hash_of(key);
        bool spilled;
        {
            place p(t, key, hash, scope.shared());
            if (p.found()) {
                if (only_new) return false;
                const row& now = p.current();
                if constexpr (!Duplicates) {
                    heirloom::detail::callback_scope inside;
                    if (now.value().contains(value)) return true;
                }
                p.replace(rows_type::make(hash, now.key(), now.value().with(value)));
                t.note_extra(1, scope.shared());
                return true;
            }
            p.add(rows_type::make(hash, std::move(key), values().with(value)));
            spilled = p.spilled();
        }
        t.added(scope.shared(), scope.self(), spilled);
        return true;
    }
    std::optional<values> remove_key(const writing& scope, key_argument key) {
        auto& t = rows();
        std::optional<values> gone;
        {
            place p(t, key, t.hash_of(key), scope.shared());
            if (!p.found()) return gone;
            gone.emplace(p.current().value());
            p.erase();
            t.note_extra(1 - static_cast<std::int64_t>(gone->size()), scope.shared());
        }
        t.erased(scope.shared(), scope.self());
        return gone;
    }
    template <class P>
    std::size_t remove_values(const char* verb, key_argument key, P&& predicate) {
        writing scope(*core_, verb);
        auto& t = rows();
        const auto hash = t.hash_of(key);
        std::size_t removed = 0;
        {
            place p(t, key, hash, scope.shared());
            if (!p.found()) return 0;
            const row& now = p.current();
            values kept;
            {
                heirloom::detail::callback_scope inside;
                now.value().each([&](const V& v) {
                    if (predicate(v))
                        ++removed;
                    else
                        kept = kept.with(v);
                    return true;
                });
            }
            if (removed == 0) return 0;
            if (kept.size() > 0) {
                p.replace(rows_type::make(hash, now.key(), std::move(kept)));
                t.note_extra(-static_cast<std::int64_t>(removed), scope.shared());
                return removed;
            }
            p.erase();
            t.note_extra(1 - static_cast<std::int64_t>(removed), scope.shared());
        }
        t.erased(scope.shared(), scope.self());
        return removed;
    }
    template <class R>
    bool insert_all(const char* verb, R&& range, bool only_new) {
        heirloom::detail::refuse_in_callback(verb);
        require_writer(verb);
        struct entry {
            std::uint64_t code;
            K key;
            V value;
        };
        std::vector<entry> entries;
        const std::uint64_t seed = core_->seed();
        for (const auto& [key, value] : range) {
            entries.push_back({rows_type::hash_with(seed, key), key, value});
            rest_after(entries.size());
        }
        // One row a key: the objects of each together, in the order they came.
        sort_resting(entries, [](const entry& a, const entry& b) { return a.code < b.code; });
        std::vector<typename rows_type::ready> fresh;
        std::int64_t objects = 0;
        for (std::size_t i = 0, end = 0; i < entries.size(); i = end) {
            for (end = i; end < entries.size() && entries[end].code == entries[i].code;) ++end;
            std::vector<bool> done(end - i);
            for (std::size_t k = i; k < end; ++k) {
                if (done[k - i]) continue;
                values together;
                for (std::size_t m = k; m < end; ++m) {
                    if (done[m - i] || !same_row(entries[m].key, entries[k].key)) continue;
                    done[m - i] = true;
                    if (Duplicates || !together.contains(entries[m].value))
                        together = together.with(entries[m].value);
                }
                objects += static_cast<std::int64_t>(together.size());
                fresh.push_back({entries[k].code, rows_type::make(entries[k].code, entries[k].key,
                                                                  std::move(together))});
                rest_after(fresh.size());
            }
        }
        rows_type::arrange(fresh);
        in_steps([&] {
            writing scope(*core_, verb);
            return rows().provide_for(fresh.size(), scope.shared());
        });
        // Keys that are new are counted as rows; all else beyond them here.
        const auto beyond = objects - static_cast<std::int64_t>(fresh.size());
        typename rows_type::bulk_insert bulk(std::move(fresh), only_new);
        bulk.expect_extra(beyond);
        const auto join = [&bulk](typename rows_type::ready& r, const row& there) {
            values all = there.value();
            std::int64_t dropped = 0;
            r.get().value().each([&](const V& v) {
                if (Duplicates || !all.contains(v))
                    all = all.with(v);
                else
                    ++dropped;
                return true;
            });
            r.held = rows_type::make(r.hash, there.key(), std::move(all));
            bulk.expect_extra(1 - dropped);
        };
        in_steps([&] {
            writing scope(*core_, verb);
            return bulk.step(rows(), scope.shared(), scope.self(), join);
        });
        return bulk.inserted();
    }

    // --- For traversal ---

    class walk {
    public:
        bool end() const noexcept { return at.end; }
        hash_position at;
        unsigned bits = 0;
    };
    walk begin_walk(bool) const {
        reading scope(*core_, "select");
        return {{}, rows().scan_bits()};
    }
    template <class F>
    void walk_chunk(walk& w, const char* verb, F&& f) const {
        typename rows_type::seen_rows found;
        reading scope(*core_, verb);
        const auto& t = rows();
        heirloom::detail::callback_scope inside;
        for (unsigned stretches = 0; stretches < 64 && !w.at.end; ++stretches) {
            w.at = t.gather(w.at, w.bits, found);
            for (const auto& r : found)
                r.get().value().each([&](const V& v) { return f(r.get().key(), v), true; });
        }
    }
    void require_writer(const char* verb) const { writing scope(*core_, verb); }
    static bool same_row(const K& a, const K& b) {
        [[maybe_unused]] const detail::key_code_scope<rows_type::users_equality> inside;
        return Equal()(a, b);
    }
    template <class P>
    std::size_t erase_matching(const K& key, const char* verb, P& predicate) {
        return remove_values(verb, key, [&](const V& v) { return predicate(key, v); });
    }
    template <class P, class F>
    std::size_t replace_matching(const K& key, const char* verb, P& predicate, F& f) {
        writing scope(*core_, verb);
        auto& t = rows();
        const auto hash = t.hash_of(key);
        place p(t, key, hash, scope.shared());
        if (!p.found()) return 0;
        const row& now = p.current();
        std::size_t replaced = 0;
        values next;
        heirloom::detail::callback_scope inside;
        now.value().each([&](const V& v) {
            const bool chosen = predicate(now.key(), v);
            replaced += chosen ? 1 : 0;
            next = next.with(chosen ? V(f(now.key(), v)) : v);
            return true;
        });
        if (replaced > 0) p.replace(rows_type::make(hash, now.key(), std::move(next)));
        return replaced;
    }
};

}  // namespace detail

/// A table that may hold several different objects of one key, in the order they came (OTP: bag).
template <class K, class V, class Hash = ets::hash<K>, class Equal = std::equal_to<>>
class bag : public detail::bag_table<bag<K, V, Hash, Equal>, K, V, Hash, Equal, false> {
    using base = detail::bag_table<bag, K, V, Hash, Equal, false>;
    friend base;

public:
    static constexpr detail::table_type table_type_of{kind::bag, heirloom::detail::label_of<K>,
                                                      heirloom::detail::label_of<V>};
    /// Names no table.
    bag() = default;
    /// Makes a table that the running process owns. Throws name_taken, not_in_process.
    explicit bag(const table_options& options) : base(options) {}
    static bag create(const table_options& options = {}) { return bag(options); }
    /// As set::claim_or_create.
    static bag claim_or_create(const table_options& options) {
        return bag(base::claimed_or_made(options));
    }

private:
    explicit bag(detail::table_ref ref) noexcept : base(std::move(ref)) {}
};

/// A bag that keeps equal objects too (OTP: duplicate_bag).
template <class K, class V, class Hash = ets::hash<K>, class Equal = std::equal_to<>>
class duplicate_bag
    : public detail::bag_table<duplicate_bag<K, V, Hash, Equal>, K, V, Hash, Equal, true> {
    using base = detail::bag_table<duplicate_bag, K, V, Hash, Equal, true>;
    friend base;

public:
    static constexpr detail::table_type table_type_of{
        kind::duplicate_bag, heirloom::detail::label_of<K>, heirloom::detail::label_of<V>};
    /// Names no table.
    duplicate_bag() = default;
    /// Makes a table that the running process owns. Throws name_taken, not_in_process.
    explicit duplicate_bag(const table_options& options) : base(options) {}
    static duplicate_bag create(const table_options& options = {}) {
        return duplicate_bag(options);
    }
    /// As set::claim_or_create.
    static duplicate_bag claim_or_create(const table_options& options) {
        return duplicate_bag(base::claimed_or_made(options));
    }

private:
    explicit duplicate_bag(detail::table_ref ref) noexcept : base(std::move(ref)) {}
};

}  // namespace heirloom::ets

namespace heirloom {
template <class K, class V, class Hash, class Equal>
struct owns_what_it_holds<ets::bag<K, V, Hash, Equal>> : std::true_type {};
template <class K, class V, class Hash, class Equal>
struct owns_what_it_holds<ets::duplicate_bag<K, V, Hash, Equal>> : std::true_type {};
}  // namespace heirloom
