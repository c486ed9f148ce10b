#include "cli/check/checks.hpp"

namespace wiremill::check {
namespace {

constexpr Check kChecks[] = {
    {"loads",
     "A plugin finds all its symbols, its note says the id, version and ABI of its descriptor, and "
     "create makes an instance of the options given.",
     "Link what is missing (wiremill_add_plugin refuses undefined symbols), write WM_NOTE with the "
     "descriptor's id and version, give required options by --option.",
     &check_loads},
    {"options",
     "create takes every value that the table allows, or says by `fail` why it does not.",
     "Give the table the bounds that hold, and call fail (in C++: throw) with the reason.",
     &check_options},
    {"older_host",
     "A table ends where its struct_size says; what a later minor appended may not be there.",
     "Compare struct_size before reading what plugin.h marks with \"Since\" (stage.hpp does).",
     &check_older_host},
    {"newer_host", "A table may be larger than in the header that the plugin was built with.",
     "Ask struct_size for at least what is needed, never for equality; copy no more than is known.",
     &check_newer_host},
    {"batches",
     "A batch has any number of documents, and what is said of one does not depend on where "
     "batches "
     "are cut.",
     "Look for arrays of a fixed size, and for the batch's index or count in what the stage "
     "answers.",
     &check_batches},
    {"sizes",
     "A document may be empty in every field, or have megabytes; one that is too much is "
     "WM_BAD_DOCUMENT.",
     "Look for front(), begin != end and the first sentence taken for granted, and for buffers of "
     "a "
     "fixed size.",
     &check_sizes},
    {"text",
     "Spans lie in the text and on the boundaries of characters, texts are UTF-8; the host refuses "
     "anything else.",
     "Cut only where the byte is no continuation: (byte & 0xc0) != 0x80; look at what the host's "
     "functions answer.",
     &check_text},
    {"annotations", "A stage sets what its descriptor lists in `provided`, and nothing else.",
     "Add what is set to `provided`; the order of the line is checked by it.", &check_annotations},
    {"deadline",
     "No document takes longer than the deadline (10 s where the configuration says nothing).",
     "Look for work that grows with the square of a text, and for regular expressions that go "
     "back; "
     "answer WM_BAD_DOCUMENT beyond a limit.",
     &check_deadline},
    {"cancel",
     "A call returns soon after `cancelled` became non-zero, and the instance stays of use.",
     "Look at `cancelled` between documents and return; never wait for it to change back.",
     &check_cancel},
    {"allocations",
     "Where memory is refused the stage answers WM_FAILED (or does without), and what it answers "
     "afterwards is right again.",
     "Look at what malloc answers; in C++ let std::bad_alloc through to stage.hpp, not through a "
     "noexcept function or a destructor.",
     &check_allocations},
    {"instances", "Instances are independent of each other, on different threads too.",
     "Keep in the instance what create makes; share only what is constant or guarded.",
     &check_instances},
    {"determinism",
     "What process says depends on the document and the options alone: not on the thread, on what "
     "was processed before, or on the clock.",
     "Look for members that process changes, for scratch buffers in the instance, for random "
     "numbers, addresses and the time.",
     &check_determinism},
    {"settle_order",
     "settle sees documents in ascending sequence with gaps: some that were processed never come, "
     "and process may run in any order.",
     "Hand from process to settle by `carry`, not by members; expect no next sequence.",
     &check_settle_order},
    {"state_errors",
     "Where the state answers WM_ERROR_IO the stage gives the documents up with WM_FAILED.",
     "Look at what get_many, put, remove and scan answer (wiremill::State throws).",
     &check_state_errors},
    {"restart",
     "What a stage remembers stands in its state: a new instance goes on where the last one ended.",
     "Write to the state what must last, and load it where an instance needs it.", &check_restart},
    {"leaks", "Memory that a stage holds does not grow with the documents it has seen.",
     "Free what each call allocates, and what create allocates in destroy; bound every cache.",
     &check_leaks},
    {"fuzz",
     "No document ends the process, hangs, or makes the stage call itself at fault or say what the "
     "host refuses.",
     "Run the document that is kept in the file under a debugger or a sanitizer.", &check_mutation},
};

}  // namespace

std::span<const Check> all_checks() { return kChecks; }

}  // namespace wiremill::check
