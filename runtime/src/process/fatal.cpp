#include "process/fatal.hpp"

#include "platform/sanitizers.hpp"
#include "process/process.hpp"
#include "scheduler/runtime_core.hpp"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>

#include <fmt/format.h>
#include <link.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

namespace heirloom::detail {
namespace {

constexpr std::size_t fault_stack_bytes = 64 * 1024;

struct sigaction before_segv, before_bus;
std::terminate_handler before_terminate;

/// Code that may hold a lock or be half way through its own data when it faults.
struct code_range {
    std::uintptr_t begin, end;
};
constexpr std::size_t most_ranges = 16;
code_range system_code[most_ranges];
std::size_t system_ranges = 0;

int note_system_library(dl_phdr_info* object, std::size_t, void*) {
    constexpr const char* names[] = {"/libc.so",      "/libc-",      "/ld-linux", "/libstdc++",
                                     "/libgcc_s",     "/libpthread", "/libm.so",  "/libc++",
                                     "/libunwind.so", "linux-vdso"};
    bool known = false;
    for (const char* name : names) known |= std::strstr(object->dlpi_name, name) != nullptr;
    if (!known) return 0;
    for (int i = 0; i < object->dlpi_phnum && system_ranges < most_ranges; ++i) {
        const auto& part = object->dlpi_phdr[i];
        if (part.p_type != PT_LOAD || !(part.p_flags & PF_X)) continue;
        const std::uintptr_t begin = object->dlpi_addr + part.p_vaddr;
        system_code[system_ranges++] = {begin, begin + part.p_memsz};
    }
    return 0;
}

bool in_system_library(std::uintptr_t code) noexcept {
    for (std::size_t i = 0; i < system_ranges; ++i)
        if (code >= system_code[i].begin && code < system_code[i].end) return true;
    return false;
}

std::uintptr_t faulting_code(const void* context) noexcept {
    const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    return static_cast<std::uintptr_t>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
    return static_cast<std::uintptr_t>(machine.pc);
#else
    (void)machine;
    return 0;
#endif
}

/// Written without memory or locks: this may be a signal handler on a thread in any state.
template <class... A>
void write_report(fmt::format_string<A...> format, const A&... args) noexcept {
    char text[1000];
    const auto end = fmt::vformat_to_n(text, sizeof text, format, fmt::make_format_args(args...));
    const std::size_t length = std::min(sizeof text, static_cast<std::size_t>(end.size));
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, length);
}

struct process_words {
    std::uint32_t runtime, slot, generation;
    std::string_view name, entry;
};
process_words words_of(const process& p) noexcept {
    return {p.id.runtime_index(), p.id.slot(), p.id.generation(), p.name.text(), p.entry().spelled};
}

bool may_end_alone(const thread_context& t, const stack& s, const void* context) noexcept {
    return s.landing && t.core->opts.on_stack_overflow == overflow_policy::end_process &&
           !t.inside.load(std::memory_order_relaxed) && !in_system_library(faulting_code(context));
}

void pass_on(const struct sigaction& before, int signal, siginfo_t* info, void* context) noexcept {
    if (before.sa_flags & SA_SIGINFO) return before.sa_sigaction(signal, info, context);
    if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
        return before.sa_handler(signal);
    // As if nobody had looked: the instruction faults again.
    struct sigaction as_ever {};
    as_ever.sa_handler = SIG_DFL;
    sigaction(signal, &as_ever, nullptr);
}

void on_fault(int signal, siginfo_t* info, void* context) {
    thread_context& t = this_thread();
    stack* s = t.core ? t.core->stacks.find(info->si_addr) : nullptr;
    if (!s || !s->guarded || static_cast<std::byte*>(info->si_addr) >= s->bottom)
        return pass_on(signal == SIGSEGV ? before_segv : before_bus, signal, info, context);
    if (may_end_alone(t, *s, context)) siglongjmp(*s->landing, 1);
    if (const process* p = t.current) {
        const process_words w = words_of(*p);
        write_report(
            "heirloom: stack overflow in process <{}.{}.{}> \"{}\" ({}): its stack has {} bytes; "
            "spawn_options.stack_size makes it larger\n",
            w.runtime, w.slot, w.generation, w.name, w.entry, s->size());
    } else {
        write_report("heirloom: stack overflow outside any process, on a stack of {} bytes\n",
                     s->size());
    }
    std::abort();
}

[[noreturn]] void on_terminate() {
    if (const process* p = this_thread().current) {
        const process_words w = words_of(*p);
        write_report("heirloom: std::terminate in process <{}.{}.{}> \"{}\" ({}): {}\n", w.runtime,
                     w.slot, w.generation, w.name, w.entry,
                     p->dying ? "it was to end by a signal, which cannot leave a noexcept function "
                                "or a destructor"
                              : "an exception cannot leave a noexcept function or a destructor");
    }
    if (before_terminate) before_terminate();
    std::abort();
}

}  // namespace

fault_stack::fault_stack() noexcept {
    if (under_asan || under_tsan) return;
    stack_t current{};
    if (sigaltstack(nullptr, &current) != 0 || !(current.ss_flags & SS_DISABLE))
        return;  // it has one
    void* memory = mmap(nullptr, fault_stack_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;  // an overflow is then a bare fault
    memory_ = memory;
    stack_t ours{};
    ours.ss_sp = memory;
    ours.ss_size = fault_stack_bytes;
    sigaltstack(&ours, nullptr);
}

fault_stack::~fault_stack() {
    if (!memory_) return;
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
    munmap(memory_, fault_stack_bytes);
}

void install_fatal_reports() noexcept {
    static std::once_flag once;
    std::call_once(once, [] {
        before_terminate = std::set_terminate(&on_terminate);
        if (under_asan || under_tsan) return;
        dl_iterate_phdr(&note_system_library, nullptr);
        struct sigaction action {};
        action.sa_sigaction = &on_fault;
        // Not deferred: the way out may be a jump.
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        sigemptyset(&action.sa_mask);
        sigaction(SIGSEGV, &action, &before_segv);
        sigaction(SIGBUS, &action, &before_bus);
    });
}

}  // namespace heirloom::detail
