#pragma once

#include "heirloom/child_spec.hpp"
#include "heirloom/clock.hpp"
#include "heirloom/exit_reason.hpp"
#include "heirloom/log.hpp"
#include "heirloom/pid.hpp"
#include "heirloom/supervisor.hpp"
#include "restart_window.hpp"

#include <any>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// child_control: what a supervisor does to one child, whatever its strategy: start it, end it, report it.
namespace heirloom::detail {

using child_data_ptr = std::shared_ptr<const child_data>;

/// How a start of a child ended, as a supervisor sees it.
struct child_start {
    enum class kind : std::uint8_t { started, ignored, already_started, failed } how;
    pid process;
    exit_reason reason;
    std::any info;
};

/// What a child is started again for: the end of its last process, or starts since then that failed.
struct restart_cause {
    pid process;
    exit_reason why;
    bool reported = false;  // its end; a restart that waits is reported on its own
    std::size_t failed_starts = 0;
};

class child_control {
public:
    child_control(duration grace, bool report_progress);

    /// Starts a child and waits until it is up (R3). Nothing it does can end the supervisor.
    child_start start(const child_data_ptr& spec, const restart_history& past = {});

    /// The child that was being started when this supervisor was killed; empty if none was.
    pid interrupted_start() const noexcept { return starting_; }

    /// Waits for the children that a supervisor has left behind, so that its successor finds their names free and their
    /// tables gone; no longer than the grace.
    void outlive_orphans(const child_data& spec, pid supervisor);
    void note(orphans o) { orphans_.push_back(std::move(o)); }
    void forget_orphans(pid supervisor) noexcept {
        std::erase_if(orphans_, [&](const orphans& o) { return o.supervisor == supervisor; });
    }

    /// Tells a child to end, waits as long as its specification says, kills it then. Returns how it ended.
    /// Afterwards nothing of it is in the mailbox, and it is not linked.
    exit_reason end(const child_data& spec, pid process);

    /// Has told us to end itself, or is about to: watches it, unlinked. The two halves of end(), for those who end
    /// many at once.
    struct ending {
        pid process;
        monitor_ref watch;
        time_point limit;  // max() until who ends many at once has set it
        bool killed;       // the limit is that of the grace
        bool by_request;   // the specification says to kill it
    };
    ending begin_end(const child_data& spec, pid process);
    /// How long it has from then on, before insist().
    duration first_limit(const child_data& spec) const noexcept;
    exit_reason finish_end(const child_data& spec, ending e);
    /// Its time is up: kills it and gives it the grace. False if that was over too: it is held, and left behind.
    bool insist(const child_data& spec, ending& e);
    /// Reports an end that was not what the shutdown asked for.
    void report_ended(const child_data& spec, const ending& e, const exit_reason& why) const;

    /// Also the end that it follows, unless that has been reported: an end is told once.
    void report_restart(const child_data& spec, const restart_cause& cause,
                        const restart_window& window) const;
    void report_delay(const child_data& spec, restart_cause& cause, duration wait) const;
    void report_end(const child_data& spec, pid old, const exit_reason& why,
                    std::string_view what_now) const;
    void report_start_error(const child_data& spec, const exit_reason& why) const;
    void report_giving_up(const child_data& spec, const exit_reason& why,
                          const restart_window& window) const;
    void report_budget(const child_data& spec, const exit_reason& why,
                       const restart_window& window) const;

private:
    void report_progress(const child_data& spec, pid process) const;
    void report_held(const child_data& spec, pid process) const;
    void report_shutdown(const child_data& spec, pid process, const exit_reason& why,
                         bool killed) const;

    void report(log_level level, std::string_view event, pid process, std::string text,
                const child_data& spec, const exit_reason* why) const;

    std::shared_ptr<const std::string>
        named_;  // the supervisor's name, or its pid, for the reports
    duration grace_;
    bool report_progress_;
    pid starting_;
    std::vector<orphans> orphans_;  // of children whose end is still to be handled
};

/// The wait before the next attempt, after `last`; 0 where none is asked for.
duration next_wait(const child_data& spec, duration& last);

/// `{shutdown, {failed_to_start_child, V}}`.
exit_reason failed_to_start(const std::string& id, const exit_reason& why);
/// What is wrong with a specification; empty if nothing.
std::string fault_of(const child_spec& spec, auto_shutdown_mode mode, bool one_of_many = false);
std::string name_of_child(const child_data& spec, pid process);
duration shutdown_limit(const child_data& spec) noexcept;
bool kills_at_once(const child_data& spec) noexcept;

}  // namespace heirloom::detail
