// Park and claim: senders, a timer and the owner of a mailbox, who waits, is claimed, goes on on the claimer's thread, and ends.
// Run on the text of mailbox.hpp.
// The order of these matters.
// clang-format off
#include "model/weak_std.hpp"
#include "process/mailbox.hpp"
#include "model/end_of_weak_std.hpp"
// clang-format on

#include <gmock/gmock.h>

// What the header declares and the library defines elsewhere; the messages here are not destroyed by their type.
namespace {

namespace weak = heirloom::test::weak;
using heirloom_weak::pid;
using heirloom_weak::detail::mailbox;
using heirloom_weak::detail::message;
using heirloom_weak::detail::message_list;
using heirloom_weak::detail::push_outcome;

constexpr std::size_t most_messages = 4;

struct letter : message {
    weak::plain<int> content;
    int taken = 0;
};

/// A process that does nothing but take letters. Its state is plain: whoever owns the process may touch it.
struct receiver {
    std::weak_atomic<std::uint32_t> generation{1};
    const pid id = pid::make(0, 1, 1);
    mailbox inbox;
    message_list list;
    weak::plain<int> state{0};  // what the process itself keeps
    int owners = 1;
    bool ended = false;
    std::array<letter, most_messages> letters;

    receiver() { inbox.open(1); }

    void use() { state.write(state.read() + 1); }
    void take(message* newest) {
        for (message* m = newest; m; m = m->next) {
            auto& l = static_cast<letter&>(*m);
            weak::require(++l.taken == 1, "a message was taken twice");
            weak::require(l.content.read() == 7, "a message was taken before it was written");
        }
    }
    void claimed(message* older, letter* own) {
        weak::require(++owners == 1, "two owners");
        use();
        take(older);
        if (own) {
            own->next = nullptr;
            take(own);
        }
        run();
    }
    /// Takes what is there and waits; whoever claims it goes on here, on the claimer's thread.
    void run(bool quietly = false) {
        for (;;) {
            use();
            take(inbox.take_all());
            use();
            --owners;
            if (inbox.park(quietly)) return;
            ++owners;
        }
    }
    void send(std::size_t i, bool wakes = true) {
        letters[i].content.write(7);
        const push_outcome outcome = inbox.push(generation, id, &letters[i], wakes);
        if (outcome.what == push_outcome::claimed) claimed(outcome.older, &letters[i]);
        if (outcome.what == push_outcome::refused)
            weak::require(++letters[i].taken == 1 && ended, "refused while the process lives");
    }
    void timer() {
        message* older = nullptr;
        if (inbox.claim(generation, id, older)) claimed(older, nullptr);
    }
    void end() {
        ended = true;
        use();
        take(inbox.close());
    }
};

void two_senders(weak::program& p) {
    auto& r = p.make<receiver>();
    p.thread([&r] { r.run(); });
    p.thread([&r] {
        r.send(0);
        r.send(1);
    });
    p.thread([&r] { r.send(2); });
    p.afterwards([&r] {
        for (std::size_t i = 0; i < 3; ++i)
            weak::require(r.letters[i].taken == 1, "a message was lost");
        weak::require(r.inbox.is_waiting() && r.owners == 0, "an owner was lost");
    });
}
void a_sender_and_a_timer(weak::program& p) {
    auto& r = p.make<receiver>();
    p.thread([&r] { r.run(); });
    p.thread([&r] { r.send(0); });
    p.thread([&r] { r.timer(); });
    p.afterwards([&r] {
        weak::require(r.letters[0].taken == 1, "a message was lost");
        weak::require(r.inbox.is_waiting() && r.owners == 0, "an owner was lost");
    });
}
/// A caller waits quietly: what it did not ask for is collected and does not wake it, its reply does.
void a_quiet_wait(weak::program& p) {
    auto& r = p.make<receiver>();
    p.thread([&r] { r.run(true); });
    p.thread([&r] { r.send(0, false); });
    p.thread([&r] { r.send(1, true); });
    p.afterwards([&r] {
        weak::require(r.letters[1].taken == 1, "what wakes was not taken");
        r.take(r.inbox.take_all());
        weak::require(r.letters[0].taken == 1, "a message was lost");
    });
}
/// It ends while somebody sends: each message is taken or refused.
void an_end(weak::program& p) {
    auto& r = p.make<receiver>();
    p.thread([&r] {
        r.use();
        r.take(r.inbox.take_all());
        r.end();
    });
    p.thread([&r] { r.send(0); });
    p.thread([&r] { r.send(1); });
    p.afterwards([&r] {
        for (std::size_t i = 0; i < 2; ++i)
            weak::require(r.letters[i].taken == 1, "a message was lost");
    });
}
/// The slot is used again: nothing for the old process reaches the new one.
void another_incarnation(weak::program& p) {
    auto& r = p.make<receiver>();
    p.thread([&r] {
        r.end();
        r.inbox.open(2);
        r.generation.store(2, std::memory_order_relaxed);
        weak::require(r.inbox.take_all() == nullptr, "a message for the one before it");
        weak::require(r.inbox.park(false), "a message for the one before it, when it waits");
    });
    p.thread([&r] {
        r.letters[0].content.write(7);
        const push_outcome outcome = r.inbox.push(r.generation, r.id, &r.letters[0], true);
        weak::require(outcome.what != push_outcome::claimed, "claimed another process");
    });
}

/// Who has seen the generation of a process that is being born has its pid, and reaches it (runtime_core::shut_down).
void a_birth(weak::program& p) {
    auto& r = p.make<receiver>();
    p.thread([&r] {
        r.end();
        r.inbox.open(2, r.generation);
    });
    p.thread([&r] {
        if (r.generation.load(std::memory_order_acquire) != 2) return;
        r.letters[0].content.write(7);
        const auto outcome = r.inbox.push(r.generation, pid::make(0, 1, 2), &r.letters[0], true);
        weak::require(outcome.what != push_outcome::refused, "refused while the process lives");
    });
}

constexpr weak::effort some{.preemptions = 3, .stale_loads = 2};

}  // namespace

TEST(mailbox_model, loses_no_message_and_no_owner) {
    EXPECT_TRUE(weak::holds_always(&two_senders, some));
}
TEST(mailbox_model, is_claimed_by_one_of_sender_and_timer) {
    EXPECT_TRUE(weak::holds_always(&a_sender_and_a_timer, some));
}
TEST(mailbox_model, wakes_a_quiet_wait_by_what_wakes) {
    EXPECT_TRUE(weak::holds_always(&a_quiet_wait, some));
}
TEST(mailbox_model, takes_or_refuses_at_the_end) { EXPECT_TRUE(weak::holds_always(&an_end, some)); }
TEST(mailbox_model, keeps_incarnations_apart) {
    EXPECT_TRUE(weak::holds_always(&another_incarnation, some));
}
TEST(mailbox_model, is_open_when_its_pid_is_known) {
    EXPECT_TRUE(weak::holds_always(&a_birth, some, 1));
}

// What push() and claim() load first only prepares their exchange, which fails if it was stale; and who has a pid got it after
// the mailbox was opened.
TEST(mailbox_model, needs_its_orders) {
    EXPECT_THAT(weak::unnoticed({&two_senders, &a_sender_and_a_timer, &a_quiet_wait, &an_end,
                                 &another_incarnation},
                                some),
                testing::ElementsAre("claim failed exchange acquire", "claim load acquire",
                                     "open store release", "push failed exchange acquire",
                                     "push load acquire"));
}
