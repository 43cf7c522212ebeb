#include "heirloom/child_spec.hpp"

#include "child_control.hpp"
#include "heirloom/errors.hpp"

#include <utility>

namespace heirloom {

child_spec& child_spec::delay(const back_off& how) { return own_extras().delay = how, *this; }
child_spec& child_spec::budget(const restart_intensity& limit) {
    return own_extras().budget = limit, *this;
}
child_spec& child_spec::named(std::shared_ptr<const name_keeper> keeper,
                              const detail::server_identity& of) {
    if (data_->identity != &of)
        throw bad_argument("child_spec::name",
                           "child \"" + data_->id + "\" runs " +
                               std::string(data_->identity ? data_->identity->name.text()
                                                           : "what a function starts") +
                               ", the name is one of " + std::string(of.name));
    return own_extras().name = std::move(keeper), *this;
}
duration child_spec::shutdown() const noexcept { return detail::shutdown_limit(*data_); }

detail::child_data::extras& child_spec::own_extras() {
    detail::child_data& data = own();
    auto mine = data.more ? std::make_shared<detail::child_data::extras>(*data.more)
                          : std::make_shared<detail::child_data::extras>();
    data.more = mine;
    return *mine;
}

namespace detail {

start_end to_start_end(const start_error& e) {
    using kind = start_end::kind;
    start_end end{kind::failed, e.process, {}, e.reason};
    switch (e.kind) {
    case start_failure::failed:
        break;
    case start_failure::ignored:
        end.how = kind::ignored;
        break;
    case start_failure::already_started:
        end.how = kind::already_started;
        break;
    case start_failure::timed_out:
        end.how = kind::timed_out;
        break;
    }
    return end;
}

start_end to_start_end(pid started) {
    if (started) return {start_end::kind::started, started, {}, {}};
    return {start_end::kind::failed, {}, {}, "no_process_returned"_a};
}

}  // namespace detail
}  // namespace heirloom
