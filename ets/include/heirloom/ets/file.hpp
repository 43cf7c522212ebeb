#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <heirloom/ets/detail/core.hpp>
#include <heirloom/ets/hash.hpp>
#include <heirloom/ets/options.hpp>
#include <heirloom/result.hpp>

namespace heirloom::ets {

/// How a type is written to a table's file: specialise it for a type of yours. `write` appends to `out`; `read` takes
/// from the front of `in`, and returns nothing if what is there is no T. Trivially copyable types, atoms, strings,
/// vectors, pairs, tuples and optionals have one.
template <class T>
struct file_codec {
    static_assert(std::is_trivially_copyable_v<T>,
                  "heirloom: specialise ets::file_codec for this type, so that tables of it can be "
                  "written to a file");
    static void write(std::string& out, const T& value) {
        out.append(reinterpret_cast<const char*>(&value), sizeof(T));
    }
    static std::optional<T> read(std::string_view& in) {
        if (in.size() < sizeof(T)) return std::nullopt;
        alignas(T) unsigned char bytes[sizeof(T)];
        std::memcpy(bytes, in.data(), sizeof(T));
        in.remove_prefix(sizeof(T));
        return *std::launder(reinterpret_cast<const T*>(bytes));
    }
};
template <>
struct file_codec<std::string> {
    static void write(std::string& out, const std::string& value) {
        file_codec<std::uint64_t>::write(out, value.size());
        out.append(value);
    }
    static std::optional<std::string> read(std::string_view& in) {
        const auto size = file_codec<std::uint64_t>::read(in);
        if (!size || *size > in.size()) return std::nullopt;
        std::string value(in.substr(0, *size));
        in.remove_prefix(*size);
        return value;
    }
};
template <>
struct file_codec<atom> {
    static void write(std::string& out, atom value) {
        file_codec<std::string>::write(out, std::string(value.text()));
    }
    static std::optional<atom> read(std::string_view& in) {
        const auto text = file_codec<std::string>::read(in);
        if (!text) return std::nullopt;
        return text->empty() ? atom() : atom::intern(*text);
    }
};
template <class A, class Allocator>
struct file_codec<std::vector<A, Allocator>> {
    static void write(std::string& out, const std::vector<A, Allocator>& value) {
        file_codec<std::uint64_t>::write(out, value.size());
        for (const auto& part : value) file_codec<A>::write(out, part);
    }
    static std::optional<std::vector<A, Allocator>> read(std::string_view& in) {
        const auto size = file_codec<std::uint64_t>::read(in);
        if (!size) return std::nullopt;
        std::vector<A, Allocator> value;
        for (std::uint64_t i = 0; i < *size; ++i) {
            auto part = file_codec<A>::read(in);
            if (!part) return std::nullopt;
            value.push_back(*std::move(part));
        }
        return value;
    }
};
template <class A>
struct file_codec<std::optional<A>> {
    static void write(std::string& out, const std::optional<A>& value) {
        file_codec<bool>::write(out, value.has_value());
        if (value) file_codec<A>::write(out, *value);
    }
    static std::optional<std::optional<A>> read(std::string_view& in) {
        const auto present = file_codec<bool>::read(in);
        if (!present) return std::nullopt;
        if (!*present) return std::optional<A>();
        auto value = file_codec<A>::read(in);
        if (!value) return std::nullopt;
        return std::optional<A>(*std::move(value));
    }
};
template <class... A>
struct file_codec<std::tuple<A...>> {
    static void write(std::string& out, const std::tuple<A...>& value) {
        std::apply([&](const A&... part) { (file_codec<A>::write(out, part), ...); }, value);
    }
    static std::optional<std::tuple<A...>> read(std::string_view& in) {
        std::tuple<std::optional<A>...> parts;
        const bool whole = std::apply(
            [&](auto&... part) {
                return ((part = file_codec<A>::read(in), part.has_value()) && ...);
            },
            parts);
        if (!whole) return std::nullopt;
        return std::apply([](auto&... part) { return std::tuple<A...>(*std::move(part)...); },
                          parts);
    }
};
template <class A, class B>
struct file_codec<std::pair<A, B>> {
    static void write(std::string& out, const std::pair<A, B>& value) {
        file_codec<A>::write(out, value.first);
        file_codec<B>::write(out, value.second);
    }
    static std::optional<std::pair<A, B>> read(std::string_view& in) {
        auto a = file_codec<A>::read(in);
        if (!a) return std::nullopt;
        auto b = file_codec<B>::read(in);
        if (!b) return std::nullopt;
        return std::pair<A, B>(*std::move(a), *std::move(b));
    }
};

/// Why a file could not be written or read.
struct file_error {
    enum class cause : std::uint8_t {
        cannot_open,
        cannot_write,
        bad_file,              // not a table's file, or a damaged header
        wrong_type,            // a table of another type
        invalid_object_count,  // verify: fewer or more objects than the file says
        checksum_error,        // verify: the objects are not what was written
        name_taken,
    };
    cause why;
    std::string path;
    /// Throws a std::runtime_error that says it.
    [[noreturn]] void raise() const;
};
std::string_view to_string(file_error::cause why) noexcept;
std::ostream& operator<<(std::ostream& out, const file_error& error);

/// What the head of a table's file says (OTP: tabfile_info/1).
struct file_info {
    ets::kind kind = ets::kind::set;
    std::string key_type;
    std::string value_type;
    atom name;
    bool named = false;
    ets::access access = ets::access::protected_;
    std::uint64_t size = 0;
    std::uint64_t checksum = 0;  // of the objects' bytes
};

struct load_options {
    /// Refuses a file whose objects are not exactly those that were written. Without it, what can be read is loaded.
    bool verify = false;
};

namespace detail {
struct file_image {
    file_info info;
    std::string objects;
};
heirloom::result<void, file_error> write_file(const std::string& path, const file_image& image);
heirloom::result<file_image, file_error> read_file(const std::string& path);
}  // namespace detail

/// What the file's head says.
heirloom::result<file_info, file_error> tabfile_info(const std::string& path);

/// Writes the table to a file, in place of what is there (OTP: tab2file). The objects are those of a walk, see select.
template <class Table>
heirloom::result<void, file_error> tab2file(const Table& table, const std::string& path) {
    const auto info = table.info();
    if (!info) throw no_such_table("tab2file", table.to_string());
    detail::file_image image;
    image.info = {
        info->kind, info->key_type, info->value_type, info->name, info->named, info->access, 0, 0};
    table.for_each([&](const auto& key, const auto& value) {
        file_codec<typename Table::key_type>::write(image.objects, key);
        file_codec<typename Table::mapped_type>::write(image.objects, value);
        ++image.info.size;
    });
    return detail::write_file(path, image);
}
/// Makes a table of what a file holds, owned by the running process (OTP: file2tab). Its name, type and access are those
/// of the table that was written; it has its name when all its rows are in.
template <class Table>
heirloom::result<Table, file_error> file2tab(const std::string& path, load_options options = {}) {
    auto image = detail::read_file(path);
    if (!image) return failure(image.error());
    const auto& info = image->info;
    const auto& type = Table::table_type_of;
    if (info.kind != type.kind || info.key_type != type.key.text() ||
        info.value_type != type.value.text())
        return failure(file_error{file_error::cause::wrong_type, path});
    std::vector<typename Table::value_type> objects;
    std::string_view rest = image->objects;
    while (!rest.empty()) {
        auto key = file_codec<typename Table::key_type>::read(rest);
        if (!key) break;
        auto value = file_codec<typename Table::mapped_type>::read(rest);
        if (!value) break;
        objects.emplace_back(*std::move(key), *std::move(value));
    }
    if (options.verify) {
        if (objects.size() != info.size || !rest.empty())
            return failure(file_error{file_error::cause::invalid_object_count, path});
        if (detail::hash_bytes(image->objects.data(), image->objects.size(), 0) != info.checksum)
            return failure(file_error{file_error::cause::checksum_error, path});
    }
    // Nobody else finds it by its name, or reads it, before all its rows are in.
    Table table({.name = info.name, .access = access::private_, .named = false});
    try {
        table.insert(objects);
    } catch (...) {
        table.delete_table();
        throw;
    }
    table.setopts({.access = info.access});
    if (info.named && !table.core()->announce()) {
        table.delete_table();
        return failure(file_error{file_error::cause::name_taken, path});
    }
    return table;
}

}  // namespace heirloom::ets
