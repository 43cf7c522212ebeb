# moodycamel::ConcurrentQueue. Debian installs the bare headers; upstream's own install puts them
# one directory deeper. Sets concurrentqueue_INCLUDE_DIR so that `#include <concurrentqueue.h>`
# works either way. Header-only and used in sources alone, so nothing of it is exported.
find_path(concurrentqueue_INCLUDE_DIR concurrentqueue.h
    PATH_SUFFIXES concurrentqueue concurrentqueue/moodycamel
)
mark_as_advanced(concurrentqueue_INCLUDE_DIR)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(concurrentqueue REQUIRED_VARS concurrentqueue_INCLUDE_DIR)
