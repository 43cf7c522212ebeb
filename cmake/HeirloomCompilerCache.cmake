# ccache is used when it is there; a launcher given on the command line wins.
if(HEIRLOOM_DEV_MODE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    find_program(HEIRLOOM_CCACHE ccache)
    mark_as_advanced(HEIRLOOM_CCACHE)
    if(HEIRLOOM_CCACHE)
        set(CMAKE_CXX_COMPILER_LAUNCHER ${HEIRLOOM_CCACHE})
    endif()
endif()
