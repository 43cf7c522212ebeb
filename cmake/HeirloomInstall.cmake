# cmake --install: headers, libraries and a package for find_package(heirloom CONFIG).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/heirloom)
get_property(layer_targets GLOBAL PROPERTY HEIRLOOM_LAYER_TARGETS)
get_property(layer_includes GLOBAL PROPERTY HEIRLOOM_LAYER_INCLUDES)

install(TARGETS heirloom ${layer_targets} EXPORT heirloomTargets)
foreach(include_dir IN LISTS layer_includes)
    install(DIRECTORY ${include_dir}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.hpp"
    )
endforeach()
install(EXPORT heirloomTargets NAMESPACE heirloom:: DESTINATION ${package_dir})

configure_package_config_file(
    ${CMAKE_CURRENT_LIST_DIR}/heirloomConfig.cmake.in
    ${PROJECT_BINARY_DIR}/heirloomConfig.cmake
    INSTALL_DESTINATION ${package_dir}
)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/heirloomConfigVersion.cmake
    COMPATIBILITY SameMinorVersion
)
install(FILES
    ${PROJECT_BINARY_DIR}/heirloomConfig.cmake
    ${PROJECT_BINARY_DIR}/heirloomConfigVersion.cmake
    DESTINATION ${package_dir}
)
