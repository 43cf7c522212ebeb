# What the layers are built from. heirloomConfig.cmake.in repeats those that an installed static
# library still needs at link time.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# The static library keeps a process switch from going through the procedure linkage table.
block()
    set(Boost_USE_STATIC_LIBS ON)
    if(BUILD_SHARED_LIBS)
        set(Boost_USE_STATIC_LIBS OFF)
    endif()
    find_package(Boost 1.81 REQUIRED COMPONENTS context)
endblock()

find_package(concurrentqueue REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
