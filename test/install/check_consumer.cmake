# Builds and runs the consumer from nothing; any step that fails fails the test.
function(step)
    execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${work_dir})
set(configure
    ${CMAKE_COMMAND} -S ${source_dir} -B ${work_dir}/build -G ${generator}
    -D CMAKE_CXX_COMPILER=${compiler}
    -D CMAKE_CXX_COMPILER_LAUNCHER=${launcher}
    -D CMAKE_BUILD_TYPE=${build_type}
)
if(way STREQUAL "find_package")
    step(${CMAKE_COMMAND} --install ${heirloom_build_dir} --prefix ${work_dir}/prefix)
    list(APPEND configure -D CMAKE_PREFIX_PATH=${work_dir}/prefix)
else()
    list(APPEND configure -D HEIRLOOM_SOURCE_DIR=${heirloom_source_dir})
endif()
step(${configure})
step(${CMAKE_COMMAND} --build ${work_dir}/build)
step(${work_dir}/build/consumer)
