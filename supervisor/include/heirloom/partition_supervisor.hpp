#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <heirloom/supervisor.hpp>

// Several servers of one kind under one supervisor, each serving its part of the keys (Elixir: PartitionSupervisor).
//
//     const partitions<cache> caches("cache", 8);
//     supervisor::start_link(caches.supervised(arguments...));
//     call(caches.of(user_id), cache::get{...});
//
// Each may get arguments of its own, and any class will do that can be a child, such as the supervisor itself:
//
//     supervisor::start_link(caches.with_arguments([](std::size_t i) { return std::tuple("cache." + std::to_string(i)); }));
//     const partitions<supervisor> workers("workers");
//     supervisor::start_link(workers.supervised(dynamic_children{}));
//     start_child(workers.of(key), child<job>("job", key));

namespace heirloom {

template <class T>
class partitions {
public:
    /// 0: one a core.
    explicit partitions(const std::string& name, std::size_t count = 0) {
        if (count == 0) count = std::max(1u, std::thread::hardware_concurrency());
        names_.reserve(count);
        for (std::size_t i = 0; i < count; ++i)
            names_.emplace_back(atom::intern(name + "/" + std::to_string(i)));
    }

    /// What their supervisor's init returns: each is made of the arguments.
    template <class... A>
    supervisor::init_result supervised(const A&... args) const {
        supervisor::init_result what;
        for (const auto& name : names_) what.children.push_back(child<T>(name, args...));
        return what;
    }

    /// The same, each made of arguments of its own: f(index) returns them, a tuple or the only one.
    template <class F>
    supervisor::init_result with_arguments(F f) const {
        supervisor::init_result what;
        for (std::size_t i = 0; i < names_.size(); ++i) {
            auto arguments = f(i);
            if constexpr (requires { std::tuple_size<decltype(arguments)>::value; })
                what.children.push_back(std::apply(
                    [&](auto&... a) { return child<T>(names_[i], std::move(a)...); }, arguments));
            else
                what.children.push_back(child<T>(names_[i], std::move(arguments)));
        }
        return what;
    }

    std::size_t size() const noexcept { return names_.size(); }
    server_name<T> at(std::size_t i) const { return names_.at(i); }
    /// The one that serves this key.
    template <class Key>
    server_name<T> of(const Key& key) const {
        return names_[detail::mix(std::hash<Key>()(key)) % names_.size()];
    }

private:
    std::vector<server_name<T>> names_;
};

}  // namespace heirloom
