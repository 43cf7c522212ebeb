#pragma once

#include <algorithm>
#include <any>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <heirloom/gen_server.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/via.hpp>

// A registry is a process that knows which processes go by which keys, each with a value (Elixir: Registry). An entry
// vanishes with its process. The registry is linked to those in it, so its crash takes along those that do not trap.
//
//     using rooms = registry<std::string>;
//     inline constexpr server_name<rooms> the_rooms{"rooms"};
//     start_link(the_rooms, registry_keys::unique);
//     register_key(the_rooms, "hall");                  the caller
//     for (auto& [who, value] : lookup(the_rooms, "hall")) ...

namespace heirloom {

enum class registry_keys : std::uint8_t {
    unique,     // one process a key
    duplicate,  // any number; a process may have a key several times
};

/// Told to listeners: processes named in the registry's start arguments.
template <class Key, class Value>
struct registry_event {
    bool registered;  // false: taken out
    atom registry;
    Key key;
    heirloom::pid process;
    Value value;
};

struct already_registered {
    heirloom::pid process;
    [[noreturn]] void raise() const {
        throw bad_argument("register_key", "the key belongs to " + to_string(process));
    }
};

template <class Key, class Value>
class registry {
public:
    using key_type = Key;
    using value_type = Value;
    using entry = std::pair<heirloom::pid, Value>;

    struct add {
        using reply = result<void, already_registered>;
        Key key;
        Value value;
        heirloom::pid who;
    };
    struct find {
        using reply = std::vector<entry>;
        Key key;
    };
    struct drop {
        using reply = std::size_t;  // how many went
        Key key;
        heirloom::pid who;
        std::function<bool(const Value&)> matches;
    };
    /// Of a server that has its name here and ends.
    struct leave {
        Key key;
        heirloom::pid who;
    };
    struct keys_of {
        using reply = std::vector<Key>;
        heirloom::pid who;
    };
    struct size {
        using reply = std::size_t;
    };
    struct change {
        using reply = std::optional<std::pair<Value, Value>>;
        Key key;
        heirloom::pid who;
        std::function<Value(const Value&)> f;
    };
    struct values_of {
        using reply = std::vector<Value>;
        Key key;
        heirloom::pid who;
    };
    /// What f says of each entry, in the order of the keys; entries of which it says nothing are left out.
    template <class Chosen>
    struct choose {
        using reply = std::vector<Chosen>;
        std::function<std::optional<Chosen>(const Key&, heirloom::pid, const Value&)> f;
    };
    struct put_meta {
        using reply = void;
        std::string name;
        std::any value;  // empty: there is none any more
    };
    struct get_meta {
        using reply = std::any;
        std::string name;
    };

    explicit registry(registry_keys keys = registry_keys::unique, std::vector<atom> listeners = {})
        : unique_(keys == registry_keys::unique),
          name_(detail::running_server("registry").given_name()),
          listeners_(std::move(listeners)) {
        trap_exit(true);
    }

    result<void, already_registered> handle_call(add a) {
        auto& here = by_key_[a.key];
        if (unique_ && !here.empty()) return failure(already_registered{here.front().first});
        link(a.who);
        here.emplace_back(a.who, a.value);
        by_process_[a.who].push_back(a.key);
        ++size_;
        tell(true, a.key, a.who, a.value);
        return {};
    }
    std::vector<entry> handle_call(find f) {
        const auto found = by_key_.find(f.key);
        return found == by_key_.end() ? std::vector<entry>() : found->second;
    }
    void handle_call(drop d, reply_to<std::size_t> client) {
        serve(std::move(client), [&] { return erase(d.key, d.who, d.matches); });
    }
    void handle_cast(leave l) { erase(l.key, l.who, {}); }
    std::vector<Key> handle_call(keys_of k) {
        const auto found = by_process_.find(k.who);
        return found == by_process_.end() ? std::vector<Key>() : found->second;
    }
    std::size_t handle_call(size) { return size_; }
    void handle_call(change c, reply_to<typename change::reply> client) {
        serve(std::move(client), [&]() -> typename change::reply {
            const auto found = by_key_.find(c.key);
            if (found == by_key_.end() || !unique_) return std::nullopt;
            for (auto& [who, value] : found->second) {
                if (who != c.who) continue;
                Value fresh = c.f(value);
                return std::pair<Value, Value>{fresh, std::exchange(value, fresh)};
            }
            return std::nullopt;
        });
    }
    std::vector<Value> handle_call(values_of v) {
        std::vector<Value> values;
        if (const auto found = by_key_.find(v.key); found != by_key_.end())
            for (const auto& [who, value] : found->second)
                if (who == v.who) values.push_back(value);
        return values;
    }
    template <class Chosen>
    void handle_call(choose<Chosen> c, reply_to<std::vector<Chosen>> client) {
        serve(std::move(client), [&] {
            std::vector<Chosen> chosen;
            for (const auto& [key, entries] : by_key_)
                for (const auto& [who, value] : entries)
                    if (std::optional<Chosen> one = c.f(key, who, value))
                        chosen.push_back(*std::move(one));
            return chosen;
        });
    }
    void handle_call(put_meta m) {
        if (m.value.has_value())
            meta_[m.name] = std::move(m.value);
        else
            meta_.erase(m.name);
    }
    std::any handle_call(get_meta m) {
        const auto found = meta_.find(m.name);
        return found == meta_.end() ? std::any() : found->second;
    }
    void handle_info(exit_signal e) {
        const auto found = by_process_.find(e.from);
        if (found == by_process_.end()) return;
        for (const Key& key : std::vector<Key>(found->second)) erase(key, e.from, {});
    }

private:
    /// Answers what `work` returns. What the asker's own function throws is the asker's failure, not everybody's.
    template <class R, class F>
    void serve(reply_to<R> client, F work) {
        try {
            R answer = work();  // first: it may throw
            reply(std::move(client), std::move(answer));
        } catch (...) {
            reply_failed(std::move(client), detail::caught_reason());
        }
    }
    std::size_t erase(const Key& key, heirloom::pid who,
                      const std::function<bool(const Value&)>& matches) {
        const auto found = by_key_.find(key);
        if (found == by_key_.end()) return 0;
        // All are asked first: `matches` may throw.
        std::vector<bool> goes;
        goes.reserve(found->second.size());
        for (const auto& [process, value] : found->second)
            goes.push_back(process == who && (!matches || matches(value)));
        std::size_t at = 0;
        const auto gone = std::erase_if(found->second, [&](const entry& e) {
            if (!goes[at++]) return false;
            forget(key, who);
            tell(false, key, who, e.second);
            return true;
        });
        if (found->second.empty()) by_key_.erase(found);
        return gone;
    }
    void forget(const Key& key, heirloom::pid who) {
        --size_;
        const auto mine = by_process_.find(who);
        if (mine == by_process_.end()) return;
        const auto one = std::find(mine->second.begin(), mine->second.end(), key);
        if (one != mine->second.end()) mine->second.erase(one);
        if (!mine->second.empty()) return;
        by_process_.erase(mine);
        // Whoever started it stays linked, registered or not.
        if (who != detail::running_server("registry").parent()) unlink(who);
    }
    void tell(bool registered, const Key& key, heirloom::pid who, const Value& value) {
        for (atom listener : listeners_)
            if (const heirloom::pid p = whereis(listener))
                try_send(p, registry_event<Key, Value>{registered, name_, key, who, value});
    }

    bool unique_;
    atom name_;
    std::vector<atom> listeners_;
    std::size_t size_ = 0;
    std::map<Key, std::vector<entry>> by_key_;
    std::unordered_map<heirloom::pid, std::vector<Key>> by_process_;
    std::map<std::string, std::any> meta_;
};

/// Gives the caller a key. With unique keys it may be somebody's already.
template <class K, class V>
result<void, already_registered> register_key(server_name<registry<K, V>> in,
                                              std::type_identity_t<K> key,
                                              std::type_identity_t<V> value = {}) {
    return call(in, typename registry<K, V>::add{std::move(key), std::move(value), self()});
}
/// Who has the key, with their values; with unique keys one at most.
template <class K, class V>
std::vector<std::pair<pid, V>> lookup(server_name<registry<K, V>> in, std::type_identity_t<K> key) {
    return call(in, typename registry<K, V>::find{std::move(key)});
}
/// Takes the caller's entries of this key out.
template <class K, class V>
void unregister_key(server_name<registry<K, V>> in, std::type_identity_t<K> key) {
    call(in, typename registry<K, V>::drop{std::move(key), self(), {}});
}
/// Those of them whose value matches.
template <class K, class V>
void unregister_match(server_name<registry<K, V>> in, std::type_identity_t<K> key,
                      std::type_identity_t<std::function<bool(const V&)>> matches) {
    call(in, typename registry<K, V>::drop{std::move(key), self(), std::move(matches)});
}
/// Calls f(process, value) here for each entry of the key.
template <class K, class V, class F>
void dispatch(server_name<registry<K, V>> in, std::type_identity_t<K> key, F f) {
    for (auto& [who, value] : lookup(in, std::move(key))) f(who, value);
}
/// The entries of a key whose value matches; `matches` runs here, in the caller.
template <class K, class V, class F>
std::vector<std::pair<pid, V>> match(server_name<registry<K, V>> in, std::type_identity_t<K> key,
                                     F matches) {
    auto entries = lookup(in, std::move(key));
    std::erase_if(entries, [&](const auto& e) { return !matches(e.second); });
    return entries;
}
template <class K, class V, class F>
std::size_t count_match(server_name<registry<K, V>> in, std::type_identity_t<K> key, F matches) {
    return match(in, std::move(key), std::move(matches)).size();
}
/// The values `who` has registered under the key; none if it has none.
template <class K, class V>
std::vector<V> values_of(server_name<registry<K, V>> in, std::type_identity_t<K> key, pid who) {
    return call(in, typename registry<K, V>::values_of{std::move(key), who});
}
/// What f(key, process, value) gives, an optional, for each entry of the whole registry, in the order of the keys. It runs in
/// the registry, which serves nobody meanwhile; if it throws, that is the caller's failure alone.
template <class K, class V, class F>
auto select_entries(server_name<registry<K, V>> in, F f) {
    using chosen = typename std::invoke_result_t<F&, const K&, pid, const V&>::value_type;
    return call(in, typename registry<K, V>::template choose<chosen>{std::move(f)});
}
/// How many entries f(key, process, value) says yes to. Runs in the registry, as select_entries.
template <class K, class V, class F>
std::size_t count_select(server_name<registry<K, V>> in, F f) {
    return select_entries(in,
                          [f = std::move(f)](const K& key, pid who, const V& value) mutable {
                              return f(key, who, value)
                                         ? std::optional<std::monostate>(std::in_place)
                                         : std::nullopt;
                          })
        .size();
}
template <class K, class V>
std::vector<K> keys_of(server_name<registry<K, V>> in, pid who) {
    return call(in, typename registry<K, V>::keys_of{who});
}
template <class K, class V>
std::size_t count_entries(server_name<registry<K, V>> in) {
    return call(in, typename registry<K, V>::size{});
}
/// The caller's value of a unique key becomes f(value): the new one and the old one, or nothing if it has none.
template <class K, class V, class F>
std::optional<std::pair<V, V>> update_value(server_name<registry<K, V>> in,
                                            std::type_identity_t<K> key, F f) {
    return call(in, typename registry<K, V>::change{std::move(key), self(), std::move(f)});
}
/// Puts a value of the registry itself under a name, whatever its type; replaces what is there.
template <class K, class V, class X>
void put_meta(server_name<registry<K, V>> in, std::string name, X value) {
    detail::check_sendable<X>();
    call(in, typename registry<K, V>::put_meta{std::move(name), std::move(value)});
}
template <class K, class V>
void put_meta(server_name<registry<K, V>> in, std::string name, const char* text) {
    put_meta(in, std::move(name), std::string(text));
}
/// Nothing if there is none. Throws bad_argument if it is no X.
template <class X = std::string, class K, class V>
std::optional<X> get_meta(server_name<registry<K, V>> in, std::string name) {
    std::any value = call(in, typename registry<K, V>::get_meta{name});
    if (!value.has_value()) return std::nullopt;
    if (auto* x = std::any_cast<X>(&value)) return std::move(*x);
    throw bad_argument("get_meta", "\"" + name + "\" is of another type");
}
template <class K, class V>
void delete_meta(server_name<registry<K, V>> in, std::string name) {
    call(in, typename registry<K, V>::put_meta{std::move(name), {}});
}

// --- Keys as the names of servers: via.hpp ---------------------------------------------------------------

namespace detail {

template <class K, class V>
class registry_key final : public name_keeper {
public:
    using keys = registry<K, V>;
    registry_key(server_name<keys> in, K key, V value)
        : in_(in), key_(std::move(key)), value_(std::move(value)) {}

    pid find() const override {
        const auto all = call(in_, typename keys::find{key_});
        return all.empty() ? pid() : all.front().first;
    }
    pid take(pid who) const override {
        const auto added = call(in_, typename keys::add{key_, value_, who});
        return added ? who : added.error().process;
    }
    std::string text() const override {
        std::string name(in_.name().text());
        if constexpr (std::is_convertible_v<const K&, std::string>) name += "/" + std::string(key_);
        return name;
    }
    // By a message that comes before any sign of our end.
    void release(pid who) const noexcept override {
        try {
            using leave = typename keys::leave;
            deliver(whereis(in_),
                    new_message<typed_message<leave>>(cast_request<keys, leave>, leave{key_, who}));
        } catch (...) {  // NOLINT(bugprone-empty-catch): no memory; the registry is linked to us
        }
    }

private:
    server_name<keys> in_;
    K key_;
    V value_;
};

}  // namespace detail

template <class T>
template <class K, class V>
via<T>::via(server_name<registry<K, V>> in, std::type_identity_t<K> key,
            std::type_identity_t<V> value)
    : keeper_(std::make_shared<detail::registry_key<K, V>>(in, std::move(key), std::move(value))) {}

}  // namespace heirloom
