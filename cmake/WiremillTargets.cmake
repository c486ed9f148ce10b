# What our own targets share: warnings as errors, sanitizers by preset, one line per library and test.
set(WIREMILL_PLUGIN_INSTALL_DIRECTORY "lib/wiremill/plugins")
set(WIREMILL_SANITIZE "" CACHE STRING "address,undefined or thread or fuzzer; empty for none")

add_library(wiremill_options INTERFACE)
target_compile_options(wiremill_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
target_include_directories(wiremill_options INTERFACE "${CMAKE_SOURCE_DIR}")
if(WIREMILL_SANITIZE)
  add_compile_options(-fsanitize=${WIREMILL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -g1)
  add_link_options(-fsanitize=${WIREMILL_SANITIZE})
endif()

# wiremill_add_library(NAME SOURCES FILE… [LIBRARIES TARGET…]): one room, as a static library.
function(wiremill_add_library NAME)
  cmake_parse_arguments(PARSE_ARGV 1 ROOM "" "" "SOURCES;LIBRARIES")
  add_library(${NAME} STATIC ${ROOM_SOURCES})
  target_link_libraries(${NAME} PUBLIC ${ROOM_LIBRARIES} PRIVATE $<BUILD_INTERFACE:wiremill_options>)
  target_include_directories(${NAME} PUBLIC "$<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>")
endfunction()

# Builds the tests labelled `threads`: those that ThreadSanitizer runs.
add_custom_target(thread_tests)

# Where tests put files that they name by themselves, apart from those of another build.
file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/tests/tmp")

# wiremill_add_test(NAME SOURCES FILE… [LIBRARIES TARGET…] [LABELS LABEL…] [TIMEOUT SECONDS]): a
# GoogleTest program, one ctest entry. The time limit only ends a hang.
function(wiremill_add_test NAME)
  cmake_parse_arguments(PARSE_ARGV 1 CASE "" "TIMEOUT" "SOURCES;LIBRARIES;LABELS")
  add_executable(${NAME} ${CASE_SOURCES})
  target_link_libraries(${NAME} PRIVATE ${CASE_LIBRARIES} wiremill_options GTest::gmock GTest::gtest_main)
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  add_test(NAME ${NAME} COMMAND ${NAME})
  if(NOT CASE_TIMEOUT)
    set(CASE_TIMEOUT 300)
  endif()
  set_tests_properties(${NAME} PROPERTIES LABELS "${CASE_LABELS}" TIMEOUT ${CASE_TIMEOUT}
    ENVIRONMENT "TEST_TMPDIR=${CMAKE_BINARY_DIR}/tests/tmp/")
  if("threads" IN_LIST CASE_LABELS)
    add_dependencies(thread_tests ${NAME})
  endif()
endfunction()
