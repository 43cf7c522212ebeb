#include "heirloom/test_kit.hpp"

#include "deterministic/drive.hpp"
#include "heirloom/errors.hpp"
#include "heirloom/process.hpp"
#include "scheduler/runtime_core.hpp"

namespace heirloom {

using namespace detail;

namespace {

constexpr duration look_again = std::chrono::microseconds(100);

runtime_core& deterministic_core(runtime& rt) {
    if (!rt.core().is_deterministic())
        throw bad_argument("stepper",
                           "the runtime is not deterministic: give options.deterministic a seed");
    return rt.core();
}

std::string never_came(atom name, pid last) {
    std::string text = "\"" + std::string(name.text()) + "\" is not there";
    if (last) text += " again after " + to_string(last);
    return text + " within the limit";
}

}  // namespace

pid next_incarnation(atom name, pid last, duration limit) {
    const time_point until = deadline_after(limit, "next_incarnation");
    for (;;) {
        const pid holder = whereis(name);
        if (holder && holder != last) return holder;
        if (runtime_clock::now() >= until) throw requirement_failed(never_came(name, last));
        sleep(look_again);
    }
}

stepper::stepper(runtime& rt)
    : core_(deterministic_core(rt)), clock_stood_(core_.choices->clock_stands) {
    core_.choices->clock_stands = true;
}
stepper::~stepper() {
    core_.choices->clock_stands = clock_stood_;
    core_.choices->stop_at = ~0ull;
}

bool stepper::can_step() const {
    if (!core_.ready.empty()) return true;
    const std::int64_t due = detail::next_deadline(core_);
    return due != timer_queue::never && due <= core_.virtual_now;
}

bool stepper::step() {
    seeded_choices& choices = *core_.choices;
    const std::uint64_t before = choices.steps;
    choices.stop_at = before + 1;
    // A turn may end before its first step: the seed gives the role to another worker.
    while (choices.steps == before && can_step()) drive_turn(core_);
    choices.stop_at = ~0ull;
    return choices.steps != before;
}

std::size_t stepper::settle(std::size_t limit) {
    std::size_t steps = 0;
    while (step())
        if (++steps > limit)
            throw requirement_failed("to settle within " + std::to_string(limit) + " steps");
    return steps;
}

void stepper::advance(duration by) {
    if (by < duration::zero()) throw bad_argument("stepper::advance", "time does not go back");
    const std::int64_t until = core_.virtual_now + by.count();
    settle();
    for (;;) {
        const std::int64_t due = detail::next_deadline(core_);
        if (due == timer_queue::never || due > until) break;
        core_.virtual_now = std::max(core_.virtual_now, due);
        drive_turn(core_);
        settle();
    }
    core_.virtual_now = until;
}

bool stepper::run_until(const std::function<bool()>& holds, std::size_t limit) {
    for (std::size_t steps = 0; steps < limit;) {
        if (holds()) return true;
        if (step()) {
            ++steps;
            continue;
        }
        const std::int64_t due = detail::next_deadline(core_);
        if (due == timer_queue::never) return holds();
        core_.virtual_now = std::max(core_.virtual_now, due);
        drive_turn(core_);
        ++steps;
    }
    return holds();
}

time_point stepper::now() const { return time_point(duration(core_.virtual_now)); }

std::optional<time_point> stepper::next_deadline() const {
    const std::int64_t due = detail::next_deadline(core_);
    if (due == timer_queue::never) return {};
    return time_point(duration(due));
}

std::uint64_t stepper::struck(fault f) const {
    return core_.choices->struck[static_cast<std::size_t>(f)];
}

pid stepper::next_incarnation(atom name, pid last, duration limit) {
    const time_point until = now() + limit;
    pid holder;
    run_until([&] {
        holder = core_.names.find(name);
        return (holder && holder != last) || now() >= until;
    });
    if (!holder || holder == last) throw requirement_failed(never_came(name, last));
    return holder;
}

std::string stepper::who_waits() const { return describe_deadlock(core_); }

}  // namespace heirloom
