#include "process/throw_stack.hpp"

#include "heirloom/detail/activity.hpp"
#include "heirloom/errors.hpp"
#include "heirloom/receive.hpp"
#include "platform/thread_context.hpp"
#include "process/process.hpp"
#include "process/signals.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <typeinfo>

#include <cxxabi.h>
#include <dlfcn.h>
#include <unwind.h>

namespace heirloom::detail {
namespace {

constexpr unsigned deepest = 64;

}  // namespace

/// Belongs to the process: between the search for a handler and the handler its destructors may wait, change threads, and let
/// others crash.
struct captured_stack {
    void* frames[deepest];
    unsigned count = 0;
    bool escapes = false;      // nobody in the process catches what is on its way
    std::string last_message;  // what was being handled; see note_last_message
    std::string failed_call;   // see note_failed_call
    std::exception_ptr
        of;  // an exception on its way from a pool thread: its stack is the one that counts

    bool belongs_to(const void* exception) const noexcept {
        // A std::exception_ptr is the address of the exception object, and keeps that address from being used again.
        static_assert(sizeof of == sizeof(void*));
        return of && *reinterpret_cast<void* const*>(&of) == exception;
    }
};

namespace {

_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* argument) {
    auto* s = static_cast<captured_stack*>(argument);
    if (s->count == deepest) return _URC_END_OF_STACK;
    if (void* ip = reinterpret_cast<void*>(_Unwind_GetIP(context))) s->frames[s->count++] = ip;
    return _URC_NO_REASON;
}

}  // namespace

/// The type_info of thrown_stack_probe. Not in the unnamed namespace: the symbol must be seen by the linker.
class probe_type : public std::type_info {
public:
    probe_type() : std::type_info("N8heirloom6detail18thrown_stack_probeE") {}
    bool __do_catch(const std::type_info* thrown, void** exception, unsigned) const override {
        process* p = this_thread().current;
        // A kill or exit(reason) is no error: nobody asks where it came from, nor what an orderly end was about.
        if (!p || *thrown == typeid(kill_unwind)) return false;
        const bool is_exit = *thrown == typeid(exit_unwind);
        if (is_exit && static_cast<const exit_unwind*>(*exception)->why.is_orderly()) return false;
        if (!p->thrown) p->thrown = new (std::nothrow) captured_stack;
        if (!p->thrown) return false;
        p->thrown->escapes = true;
        if (p->thrown->belongs_to(*exception)) return false;
        p->thrown->of = nullptr;
        p->thrown->count = 0;
        p->thrown->failed_call.clear();
        if (!is_exit) _Unwind_Backtrace(&note_frame, p->thrown);
        return false;
    }
};

// The symbol by which the compiler knows the type_info (Itanium C++ ABI, 2.9).
extern const probe_type probe_type_info asm("_ZTIN8heirloom6detail18thrown_stack_probeE");
const probe_type probe_type_info;

namespace {

/// Whether a return address lies in the C++ runtime's functions that throw.
bool is_thrower(void* code) noexcept {
    // The address before: a call that does not return may end its function.
    void* const call = static_cast<char*>(code) - 1;
    void* const function = _Unwind_FindEnclosingFunction(call);
    if (function == reinterpret_cast<void*>(&abi::__cxa_throw) ||
        function == reinterpret_cast<void*>(&abi::__cxa_rethrow))
        return true;
    Dl_info known{};
    if (dladdr(call, &known) == 0 || !known.dli_sname) return false;
    const std::string_view name = known.dli_sname;
    return name == "__cxa_throw" || name == "__cxa_rethrow" || name == "_Unwind_RaiseException" ||
           name == "_Unwind_Resume_or_Rethrow" || name.find("rethrow_exception") != name.npos;
}

}  // namespace

void keep_thrown_stack(const std::exception_ptr& of) noexcept {
    if (process* p = this_thread().current; p && p->thrown) {
        p->thrown->of = of;
        p->thrown->escapes = false;
    }
}

std::vector<void*> take_thrown_stack() {
    process* p = this_thread().current;
    captured_stack* s = p ? p->thrown : nullptr;
    if (!s) return {};
    s->of = nullptr;
    const unsigned count = std::exchange(s->count, 0);
    // The innermost frames are this library's and the unwinder's own, up to the function that throws.
    constexpr unsigned deepest_thrower = 12;
    unsigned first = 0;
    for (unsigned i = 0; i < count && i < deepest_thrower; ++i)
        if (is_thrower(s->frames[i])) first = i + 1;
    return std::vector<void*>(s->frames + first, s->frames + count);
}

void note_last_message(const message& m, bool intact) noexcept {
    thread_context& t = this_thread();
    process* p = t.current;
    // The innermost handler is left first: it had the last message.
    if (!p || t.pool_thread || !p->thrown || !p->thrown->escapes ||
        !p->thrown->last_message.empty())
        return;
    ++p->callbacks;  // the user's operator<< must not wait here
    try {
        p->thrown->last_message = in_words(m, intact);
    } catch (...) {  // NOLINT(bugprone-empty-catch): it cannot be printed
    }
    --p->callbacks;
}

std::string last_message_of(const process& p) {
    return p.thrown ? p.thrown->last_message : std::string();
}

void note_failed_call(process& p, const call_failed& e) noexcept {
    if (!p.thrown) return;
    try {
        // Without its ends, "heirloom: " and " failed: <reason>": the report says both.
        std::string_view text = e.what();
        text.remove_prefix(std::min(text.size(), text.find("call ")));
        p.thrown->failed_call = text.substr(0, text.rfind(" failed: " + to_string(e.reason())));
    } catch (...) {  // NOLINT(bugprone-empty-catch): no memory for the report
    }
}

std::string failed_call_of(const process& p) {
    return p.thrown ? p.thrown->failed_call : std::string();
}

void forget_thrown(process& p) noexcept { delete std::exchange(p.thrown, nullptr); }

std::string exception_type_name() {
    const std::type_info* type = abi::__cxa_current_exception_type();
    if (!type) return "foreign exception";
    int status = 0;
    std::unique_ptr<char, void (*)(void*)> name(
        abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), &std::free);
    return status == 0 ? name.get() : type->name();
}

}  // namespace heirloom::detail
