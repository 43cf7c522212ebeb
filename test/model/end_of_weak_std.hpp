// No pragma once: the end of what weak_std.hpp began.
#undef heirloom
#undef atomic
#undef mutex
#undef atomic_thread_fence
#undef atomic_signal_fence
