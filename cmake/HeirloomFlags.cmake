# Compiler flags, in two groups: what only our own code is held to, and what a whole program has to
# share.

# Warnings as errors for our own targets, and only when we build them: never a consumer's problem.
function(heirloom_developer_flags target)
    if(NOT HEIRLOOM_DEV_MODE)
        return()
    endif()
    target_compile_options(${target} PRIVATE
        -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
        -Wcast-align -Wundef -Werror
        # Clang checks GUARDED_BY and friends; GCC knows no such annotations.
        $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
        # The std::stable_sort of GCC 12's library calls a function that the same library calls deprecated; Clang
        # lays that at the door of whoever instantiates it.
        $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>
    )
    if(HEIRLOOM_SANITIZE STREQUAL "thread")
        # moodycamel::ConcurrentQueue orders with bare fences, which GCC warns that TSan cannot see.
        # Nothing of ours does (platform/fences.hpp has a TSan form), so the warning says nothing new.
        target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
    endif()
endfunction()

# A sanitizer only works when the whole program has it, so consumers inherit it.
function(heirloom_sanitize target scope)
    if(HEIRLOOM_SANITIZE STREQUAL "address")
        set(flags -fsanitize=address,undefined -fno-sanitize-recover=all)
    elseif(HEIRLOOM_SANITIZE STREQUAL "thread")
        set(flags -fsanitize=thread)
    elseif(HEIRLOOM_SANITIZE)
        message(FATAL_ERROR "HEIRLOOM_SANITIZE is '${HEIRLOOM_SANITIZE}'; use address or thread")
    else()
        return()
    endif()
    target_compile_options(${target} ${scope} ${flags})
    target_link_options(${target} ${scope} ${flags})
endfunction()
