#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <heirloom/supervisor.hpp>

// Several servers of one kind under one supervisor, each serving its part of the keys (Elixir: PartitionSupervisor).
//
//     const partitions<cache> caches("cache", 8);
//     supervisor::start_link(caches.supervised(arguments...));
//     call(caches.of(user_id), cache::get{...});

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
