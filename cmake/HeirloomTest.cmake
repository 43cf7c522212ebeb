# heirloom_add_test(<name> LABEL unit|conformance|stress|model
#                   SOURCES <file>... LINKS <target>... [INTERNALS <layer>...] [TIMEOUT <seconds>])
# A GoogleTest program and its one CTest entry. INTERNALS puts <layer>/src on the include path, for
# unit tests of what no consumer sees. The program's own report goes to test-reports/<name>.json,
# from which test/support/run_tests.py counts cases; it also sets the limit a program has by default.
#
# A test compiles with line numbers but without the rest of the debug information, and, unless it is there for races, with
# little optimisation: the tables' templates, instantiated again by each file, were half of the time of a build.
function(heirloom_cheap_test name label)
    if(label STREQUAL "stress" OR label STREQUAL "model")
        set(flags -g1)
    else()
        set(flags -O1 -g1)
    endif()
    target_compile_options(${name} PRIVATE "$<$<CONFIG:RelWithDebInfo>:${flags}>")
endfunction()

function(heirloom_add_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;TIMEOUT" "SOURCES;LINKS;INTERNALS")
    set(labels unit conformance stress model)
    if(NOT arg_LABEL IN_LIST labels)
        message(FATAL_ERROR "heirloom_add_test(${name}): LABEL is one of ${labels}")
    endif()
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE ${arg_LINKS} GTest::gmock GTest::gtest_main)
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/test)
    foreach(layer IN LISTS arg_INTERNALS)
        target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/${layer}/src)
    endforeach()
    heirloom_developer_flags(${name})
    target_compile_options(${name} PRIVATE -fno-omit-frame-pointer)
    heirloom_cheap_test(${name} ${arg_LABEL})
    if(arg_LABEL STREQUAL "stress")
        if(NOT TARGET stress_programs)
            add_custom_target(stress_programs)
        endif()
        add_dependencies(stress_programs ${name})
    endif()
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES
        LABELS "gtest;${arg_LABEL}"
        # Every suite uses all cores itself.
        RUN_SERIAL TRUE
        ENVIRONMENT "GTEST_OUTPUT=json:${CMAKE_BINARY_DIR}/test-reports/${name}.json"
    )
    if(arg_TIMEOUT)
        set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT})
    endif()
endfunction()
