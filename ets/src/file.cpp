#include <cstdio>
#include <fstream>
#include <iterator>
#include <ostream>
#include <stdexcept>

#include <heirloom/ets/file.hpp>

// A table's file: a line that says what it is; the head's length, checksum and fields; the objects, one after the other.
namespace heirloom::ets {
namespace {
constexpr std::string_view magic = "heirloom table 1\n";

std::string encode(const file_info& info) {
    std::string out;
    file_codec<std::uint8_t>::write(out, static_cast<std::uint8_t>(info.kind));
    file_codec<std::string>::write(out, info.key_type);
    file_codec<std::string>::write(out, info.value_type);
    file_codec<atom>::write(out, info.name);
    file_codec<bool>::write(out, info.named);
    file_codec<std::uint8_t>::write(out, static_cast<std::uint8_t>(info.access));
    file_codec<std::uint64_t>::write(out, info.size);
    file_codec<std::uint64_t>::write(out, info.checksum);
    return out;
}

/// Takes the head off the front of `in`.
std::optional<file_info> decode(std::string_view& in) {
    if (!in.starts_with(magic)) return std::nullopt;
    in.remove_prefix(magic.size());
    const auto length = file_codec<std::uint64_t>::read(in);
    const auto checksum = file_codec<std::uint64_t>::read(in);
    if (!length || !checksum || *length > in.size()) return std::nullopt;
    std::string_view head = in.substr(0, *length);
    if (detail::hash_bytes(head.data(), head.size(), 0) != *checksum) return std::nullopt;
    in.remove_prefix(*length);
    const auto kind = file_codec<std::uint8_t>::read(head);
    auto key = file_codec<std::string>::read(head);
    auto value = file_codec<std::string>::read(head);
    const auto name = file_codec<atom>::read(head);
    const auto named = file_codec<bool>::read(head);
    const auto access = file_codec<std::uint8_t>::read(head);
    const auto size = file_codec<std::uint64_t>::read(head);
    const auto sum = file_codec<std::uint64_t>::read(head);
    if (!kind || !key || !value || !name || !named || !access || !size || !sum) return std::nullopt;
    return file_info{static_cast<ets::kind>(*kind),
                     *std::move(key),
                     *std::move(value),
                     *name,
                     *named,
                     static_cast<ets::access>(*access),
                     *size,
                     *sum};
}

failure<file_error> failed(file_error::cause why, const std::string& path) {
    return failure<file_error>(file_error{why, path});
}
}  // namespace

std::string_view to_string(file_error::cause why) noexcept {
    switch (why) {
    case file_error::cause::cannot_open:
        return "cannot open";
    case file_error::cause::cannot_write:
        return "cannot write";
    case file_error::cause::bad_file:
        return "not a table's file";
    case file_error::cause::wrong_type:
        return "holds a table of another type";
    case file_error::cause::invalid_object_count:
        return "invalid object count";
    case file_error::cause::checksum_error:
        return "checksum error";
    case file_error::cause::name_taken:
        break;
    }
    return "the table's name is taken";
}
std::ostream& operator<<(std::ostream& out, const file_error& error) {
    return out << error.path << ": " << to_string(error.why);
}
void file_error::raise() const {
    throw std::runtime_error(path + ": " + std::string(to_string(why)));
}

heirloom::result<void, file_error> detail::write_file(const std::string& path,
                                                      const file_image& image) {
    file_info info = image.info;
    info.checksum = hash_bytes(image.objects.data(), image.objects.size(), 0);
    const std::string head = encode(info);
    // Written beside it and then renamed: a reader, or a crash, never sees half a file.
    const std::string fresh = path + ".new";
    std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
    if (!out) return failed(file_error::cause::cannot_open, path);
    std::string lengths;
    file_codec<std::uint64_t>::write(lengths, head.size());
    file_codec<std::uint64_t>::write(lengths, hash_bytes(head.data(), head.size(), 0));
    out << magic << lengths << head << image.objects;
    out.close();
    if (!out || std::rename(fresh.c_str(), path.c_str()) != 0) {
        std::remove(fresh.c_str());
        return failed(file_error::cause::cannot_write, path);
    }
    return {};
}

heirloom::result<detail::file_image, file_error> detail::read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return failed(file_error::cause::cannot_open, path);
    const std::string all{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    std::string_view rest = all;
    auto info = decode(rest);
    if (!info) return failed(file_error::cause::bad_file, path);
    return file_image{*std::move(info), std::string(rest)};
}

heirloom::result<file_info, file_error> tabfile_info(const std::string& path) {
    auto image = detail::read_file(path);
    if (!image) return failure<file_error>(image.error());
    return std::move(image->info);
}

}  // namespace heirloom::ets
