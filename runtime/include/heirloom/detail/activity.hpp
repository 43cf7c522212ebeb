#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <string_view>

#include <heirloom/clock.hpp>
#include <heirloom/detail/running.hpp>
#include <heirloom/exit_reason.hpp>
#include <heirloom/message.hpp>
#include <heirloom/monitor.hpp>
#include <heirloom/pid.hpp>

// What the layers above build processes from. Public only because templates must see it.
namespace heirloom {
struct spawn_options;
}

namespace heirloom::detail {

enum class disposition : std::uint8_t {
    finished,  // the process ends with `normal`
    idle,      // nothing left to do until the next message: keep no stack
};

/// What a process runs. `run` is called on a worker's hot stack whenever the process has work: once for a
/// function, after every wake-up for a server that returned `idle`. It may wait; then the stack becomes the
/// process's own until `run` returns. An exception that leaves it ends the process.
/// The object is destroyed as that process, before its exit is settled.
class activity {
public:
    activity() = default;
    activity(const activity&) = delete;
    activity& operator=(const activity&) = delete;
    virtual ~activity();
    virtual disposition run() = 0;
    /// Called once when the process is about to end for `why`, with kills held back; may replace the reason by
    /// throwing. Not called when a non-trapping process is ended by a signal.
    virtual exit_reason on_exit(const exit_reason& why) { return why; }

    /// The type of the message it handled last, for the report of its crash; null if it does not know.
    virtual const type_label* last_message() const noexcept { return nullptr; }

    /// Of a server that may be visited now (visit_server): what it is, an address; null otherwise.
    virtual const void* visited_as() noexcept { return nullptr; }
    /// A visitor's work threw: the process is to end for `why` as soon as it runs.
    virtual void end_for(exit_reason why) noexcept { (void)why; }

    static void* operator new(std::size_t bytes) { return allocate_block(bytes); }
    static void* operator new(std::size_t bytes, std::align_val_t alignment) {
        return allocate_block(bytes, static_cast<std::size_t>(alignment));
    }
    static void operator delete(void* block, std::size_t bytes) noexcept {
        free_block(block, bytes);
    }
    static void operator delete(void* block, std::size_t bytes, std::align_val_t) noexcept {
        free_block(block, bytes);
    }
};

/// What spawn starts: a function, which may hibernate.
class plain_activity : public activity {};

/// Thrown by hibernate: the process goes on as `next`, at its next message.
struct hibernation {
    std::unique_ptr<activity> next;
};
[[noreturn]] void hibernate_as(std::unique_ptr<activity> next);
/// Whether a message can be received. Handles signals; never waits.
bool mailbox_holds_message();

/// Thrown by exit(reason). Not a std::exception, so that handlers for errors let it pass.
struct exit_unwind {
    exit_reason why;
};
/// Thrown when a lethal signal has been taken. Swallowed, it is thrown again at the next safe point.
struct kill_unwind {};

struct spawn_request {
    bool link = false;
    bool monitor = false;
    /// Put into the mailbox before the process is visible to anyone. Consumed.
    message* first = nullptr;
    /// Runs as part of the runtime: not listed, not ended by an ordinary shutdown.
    bool system = false;
    const type_label* entry = nullptr;  // lives for ever
};

struct spawned_ids {
    pid process;
    monitor_ref monitor;
};
/// Starts a process around `what` (consumed, also when it throws). The caller is a process.
spawned_ids spawn_activity(const spawn_options& options, activity* what,
                           const spawn_request& request);

// --- The running process, seen by a server loop ---------------------------------------------------

/// The oldest message of the mailbox (kind user, call, or timeout of set_server_timer), taken out, or null when there is none. Handles
/// signals on the way; a lethal one throws. A safe point. Never waits.
message* next_message();
/// The running process's activity; null outside a process.
activity* current_activity() noexcept;

/// Sends a message to a process, by its pid. Consumes it, also when the process is dead (returns false then).
/// Never a safe point, never waits, ignores mailbox bounds.
bool deliver(pid to, message* m) noexcept;
/// The same through an alias.
bool deliver(const reference& alias, message* m) noexcept;

/// Arms the one timer that a waiting server has: at `deadline` a message of kind `timeout` with `word` = `tag`
/// is queued. Arming again replaces it; time_point::max() disarms it. A timeout message of an older arming
/// never arrives.
void set_server_timer(time_point deadline, std::uint64_t tag);

// --- Calls ---------------------------------------------------------------------------------------
// A call is a message of kind `call` whose head says who asks. A call that next_message returned is *open*: it is
// registered with the process that took it, and whoever asked is told the exit reason if that process ends before it
// is answered. So a server may simply let an exception pass.

struct call_message : message {
    // word: the caller's pid
    std::uint64_t ref = 0;         // the caller's number for this call
    call_message* prev = nullptr;  // among the open calls of the called process
    call_message* next_open = nullptr;
    pid server;  // the called process, once it has taken the call
};

template <class Request>
struct typed_call : call_message {
    template <class... A>
    explicit typed_call(A&&... args) : payload(std::forward<A>(args)...) {}
    Request payload;
};

/// A reply: `word` is the call's ref.
struct reply_message : message {
    bool failed = false;
    std::uint32_t block_bytes = 0;  // of a failed reply
    message* done =
        nullptr;  // sent to `server` when the reply has arrived, if it came from someone else
    pid server;
};
template <class T>
struct typed_reply : reply_message {
    template <class... A>
    explicit typed_reply(A&&... args) : payload(std::forward<A>(args)...) {}
    T payload;
};
/// A reply whose `failed` is set: the payload is why.
using failed_reply = typed_reply<exit_reason>;

template <class T>
inline constexpr message_type reply_type{message_kind::reply, &destroy_message<typed_reply<T>>,
                                         label_of<T>, nullptr};
template <class Request>
inline constexpr message_type call_type{message_kind::call,
                                        &destroy_message<typed_call<Request>>,
                                        label_of<Request>,
                                        nullptr,
                                        &gut_message<typed_call<Request>>,
                                        sizeof(typed_call<Request>)};

template <class T, class... A>
typed_reply<T>* new_reply(A&&... args) {
    return new_message<typed_reply<T>>(reply_type<T>, std::forward<A>(args)...);
}
template <class Request, class... A>
typed_call<Request>* new_call(A&&... args) {
    return new_message<typed_call<Request>>(call_type<Request>, std::forward<A>(args)...);
}

/// A new number for a call of the running process; until the next begin_call or end_call, a reply with this
/// number is delivered, all other replies are dropped.
std::uint64_t begin_call();
void end_call() noexcept;

/// Called while a starter waits: looks at a queued message (kind user or call) that is not the reply, oldest
/// first, each once; returning true takes it out (the callee has consumed it).
struct call_interceptor {
    virtual bool intercept(message* m) = 0;

protected:
    ~call_interceptor() = default;
};

/// Waits for the reply to `ref`; null when the deadline passed. Waits only for it: other messages do not wake
/// the caller unless an interceptor is given. A lethal signal throws. The call is over afterwards.
reply_message* await_reply(std::uint64_t ref, time_point deadline,
                           call_interceptor* interceptor = nullptr);
/// The reply if it is already here, without waiting.
reply_message* poll_reply(std::uint64_t ref);

/// Sends a call and waits for its reply in one step: the caller's worker goes straight to the server and back.
/// The limit starts to run when the caller really has to wait. Consumes the request. Null: timed out; a dead server
/// gives a failed_reply with `no_process`.
reply_message* call_and_wait(pid server, call_message* request, duration limit);

struct visit_end {
    bool visited = false;  // false: nothing was done; the server is busy, or may not be visited
    reply_message* failed = nullptr;  // the work threw, and the server has ended: a failed_reply
};
/// Runs `work` on the caller's stack as the process `server`, if that is idle and is what `kind` says (R17). The work must
/// not wait: it runs shielded. It returns whether the server now has something to do by itself.
visit_end visit_server(pid server, const void* kind, bool (*work)(activity&, void*),
                       void* argument);

/// The right and the duty to answer one open call, for a server that answers later or lets another process answer.
/// Move-only; dropped, the caller is told `no_reply`.
class open_call {
public:
    open_call() noexcept = default;
    /// Takes over a call that next_message returned to the running process. Reserves what answering needs; throws
    /// std::bad_alloc with the call still open. The request stays readable in `m` until then.
    explicit open_call(call_message* m);
    open_call(open_call&& other) noexcept;
    open_call& operator=(open_call&& other) noexcept;
    ~open_call();
    explicit operator bool() const noexcept { return request_ != nullptr; }

    pid caller() const noexcept { return caller_; }
    std::uint64_t ref() const noexcept { return ref_; }
    /// Sends `answer` (consumed) to the caller. Any process or thread; never a safe point.
    void answer(reply_message* answer) noexcept;
    /// Tells the caller that the call failed. Never allocates.
    void fail(exit_reason why) noexcept;

private:
    void settle(reply_message* with) noexcept;
    call_message* request_ = nullptr;   // valid as long as `server_` lives and the call is open
    failed_reply* bad_news_ = nullptr;  // reserved
    message* done_ = nullptr;           // reserved
    pid server_;
    pid caller_;
    std::uint64_t ref_ = 0;
};

/// Answers an open call from the process that took it, and frees it: the fast path of open_call.
void answer_call(call_message* request, reply_message* answer) noexcept;
void fail_call(call_message* request, exit_reason why) noexcept;
/// Whose call the running process took last and has not answered, if that is of this type; for reports.
pid client_of_open_call(const message_type* type) noexcept;

// --- Estates -------------------------------------------------------------------------------------

/// Something a process owns that ends or passes on with it. Linked into the estate of one process at a time.
class estate_item {
public:
    estate_item() = default;
    estate_item(const estate_item&) = delete;
    estate_item& operator=(const estate_item&) = delete;
    /// Its owner is ending for `why`; the item is in no estate any more. Runs in the owner's exit, before its
    /// name is freed and before anyone is told. Must not wait, throw or allocate.
    virtual void settle(pid owner, const exit_reason& why) noexcept = 0;

    virtual ~estate_item() = default;

private:
    friend class estate;
    estate_item* prev_ = nullptr;
    estate_item* next_ = nullptr;
};

/// Puts an item that is in no estate into the estate of `owner`. False, and nothing done, if that process has
/// closed its estate or is dead: linearised with that closing. Any thread. Never waits, never allocates.
[[nodiscard]] bool adopt(pid owner, estate_item& item) noexcept;
/// Takes an item out of `owner`'s estate. False if it is not there any more: its settle() has run or is about to.
bool disown(pid owner, estate_item& item) noexcept;

// --- Safe points, callbacks and reclamation ------------------------------------------------------

/// A place where the process may switch, migrate or be killed, charged `reductions` units of work. Does nothing
/// outside a process and inside a table callback.
void safe_point(unsigned reductions = 1);

/// While it lives the running process is inside a user's callback under a table's lock: waits throw
/// in_table_callback, safe points do nothing, kills are held back.
class callback_scope {
public:
    callback_scope() noexcept;
    ~callback_scope();
    callback_scope(const callback_scope&) = delete;
    callback_scope& operator=(const callback_scope&) = delete;
};
/// A table verb in progress on the calling thread.
struct verb_entry {
    std::uint64_t self;         // the running process's pid bits; 0 on a thread that runs none
    std::atomic<bool>* inside;  // what leave_verb clears; null: it has more to do, or nothing
};
/// Entry of a table's read verb: a safe point. What the verb then reads under quiescence stays
/// valid until leave_verb(), which must follow on every path, on any thread. Nothing in between may
/// switch. Verbs nest; one inside another is no safe point.
verb_entry enter_read_slowly();
inline verb_entry enter_read() {
    if (thread_words* t = enter_quickly(1)) [[likely]]
        return {t->running->id.bits(), &t->inside};
    return enter_read_slowly();
}
/// Entry of a write verb: the same, and throws in_table_callback(verb) inside a table callback.
verb_entry enter_write_slowly(const char* verb);
inline verb_entry enter_write(const char* verb) {
    if (thread_words* t = enter_write_quickly()) [[likely]]
        return {t->running->id.bits(), &t->inside};
    return enter_write_slowly(verb);
}
/// The same without the safe point.
verb_entry enter_quietly(const char* verb);
void leave_nested_or_foreign_verb() noexcept;
/// The end of a verb.
inline void leave_verb(const verb_entry& entry) noexcept {
    // release; pairs with the watchdog's acquire: what the verb read, it has read.
    if (entry.inside) [[likely]]
        entry.inside->store(false, std::memory_order_release);
    else
        leave_nested_or_foreign_verb();
}
/// pid bits of the running process or 0; no safe point.
std::uint64_t current_pid_bits() noexcept;
bool in_callback() noexcept;

/// Throws in_table_callback if the running process is inside one.
void refuse_in_callback(const char* function);

/// Memory that lock-free readers may still see is handed to `retire`, and freed once every worker has passed a
/// quiescent state (a return to its scheduler). A process never holds such a pointer across a safe point.
void retire(void* object, void (*destroy)(void*) noexcept) noexcept;
/// The same for the many small objects of a busy table, of a verb in progress: the worker frees them at one of its next
/// turns, while they are still in its cache.
void retire_often(void* object, void (*destroy)(void*) noexcept) noexcept;
/// For threads that run no process: holds reclamation back while it lives. Inside a process it does nothing.
class reader_scope {
public:
    reader_scope() noexcept;
    ~reader_scope();
    reader_scope(const reader_scope&) = delete;
    reader_scope& operator=(const reader_scope&) = delete;

private:
    void* slot_ = nullptr;
};
/// Calls `then(argument)` on some worker once all readers of now are gone. Never waits.
void after_grace_period(void (*then)(void*) noexcept, void* argument) noexcept;

/// The runtime the caller belongs to, as a small index; -1 outside.
int current_runtime_index() noexcept;

/// One object of type T for each runtime, made on first use and destroyed after the last process has ended.
/// T needs a default constructor. Throws not_in_process outside a runtime.
struct runtime_local_key {
    void* (*make)();
    void (*destroy)(void*) noexcept;
};
void* runtime_local(int runtime_index, const runtime_local_key& key);
template <class T>
inline constexpr runtime_local_key runtime_local_key_of{
    [] { return static_cast<void*>(new T()); },
    [](void* p) noexcept { delete static_cast<T*>(p); }};
template <class T>
T& runtime_local(int runtime_index = current_runtime_index()) {
    return *static_cast<T*>(runtime_local(runtime_index, runtime_local_key_of<T>));
}

/// Starts a system process: not listed, not linked, ended last. Any thread; empty pid when the runtime is gone.
pid spawn_system(int runtime_index, activity* what, const type_label& entry) noexcept;

/// The seeded random numbers of the runtime (R18: hash seeds, jitter). Any thread.
std::uint64_t random_bits() noexcept;
}  // namespace heirloom::detail
