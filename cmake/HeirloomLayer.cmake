# One target a layer. Public headers live in <layer>/include, everything else in <layer>/src, which
# is on no consumer's include path.
include(GNUInstallDirs)
include(HeirloomFlags)

# heirloom_add_layer(<layer> SOURCES <file>...)
# Defines heirloom_<layer> with alias heirloom::<layer>. Call it from the layer's CMakeLists.txt.
function(heirloom_add_layer layer)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES")
    set(target heirloom_${layer})
    if(arg_SOURCES)
        set(scope PUBLIC)
        add_library(${target} ${arg_SOURCES})
        target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
        heirloom_developer_flags(${target})
        target_compile_options(${target} PRIVATE -fno-omit-frame-pointer)
    else()
        set(scope INTERFACE)    # a layer of templates alone
        add_library(${target} INTERFACE)
    endif()
    add_library(heirloom::${layer} ALIAS ${target})
    set_target_properties(${target} PROPERTIES EXPORT_NAME ${layer})
    target_compile_features(${target} ${scope} cxx_std_20)
    target_include_directories(${target} ${scope}
        $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    )
    # Exported: a user's large frame must touch every page it spans, or it could step over the guard
    # page of a process's stack into the next process.
    target_compile_options(${target} ${scope} -fstack-clash-protection)
    if(HEIRLOOM_DEBUG_CHECKS)
        target_compile_definitions(${target} ${scope} HEIRLOOM_DEBUG_CHECKS=1)
    endif()
    heirloom_sanitize(${target} ${scope})
    set_property(GLOBAL APPEND PROPERTY HEIRLOOM_LAYER_TARGETS ${target})
    set_property(GLOBAL APPEND PROPERTY HEIRLOOM_LAYER_INCLUDES ${CMAKE_CURRENT_SOURCE_DIR}/include)
endfunction()
