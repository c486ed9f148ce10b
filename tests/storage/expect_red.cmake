# cmake -D PROGRAM=… -D TEST=… -D MUTANT=… -P expect_red.cmake: fails unless the test named fails under
# the mutant, by what it checks and not by a crash.
set(ENV{WIREMILL_MUTANT} "${MUTANT}")
execute_process(COMMAND "${PROGRAM}" "--gtest_filter=${TEST}" RESULT_VARIABLE EXIT_CODE
                OUTPUT_VARIABLE OUTPUT ERROR_QUIET)
message("${OUTPUT}")
if(NOT EXIT_CODE EQUAL 1 OR NOT OUTPUT MATCHES "FAILED  \\] ${TEST}")
  message(FATAL_ERROR "${TEST} does not see the mutant ${MUTANT}: exit code ${EXIT_CODE}")
endif()
