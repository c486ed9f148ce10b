// `wiremill`, the command line: parses, hands over to the subcommand, returns its exit code.

#include "cli/command.hpp"
#include "cli/terminal.hpp"

int main(int argc, char** argv) {
  CLI::App app{
      "wiremill: push documents to a Wiremill daemon, follow its results, see how it is, run its "
      "stages here, or begin one of your own.",
      "wiremill"};
  app.set_version_flag("--version", WIREMILL_VERSION);
  app.get_formatter()->column_width(34);
  app.footer(
      "Examples:\n"
      "  wiremill run article.html                      what the stages make of one file\n"
      "  wiremill push --source example.org *.html      hand files to the daemon\n"
      "  wiremill tail --since first --format json      every result since the beginning\n"
      "  wiremill status                                how the daemon is\n"
      "  wiremill dead list                             what a stage could not take\n"
      "  wiremill plugin new word_count DIR             a stage of your own, to begin with\n"
      "`wiremill COMMAND --help` has more.\n"
      "Exit codes: 0 done, 64 usage, 65 some document was refused, 69 no daemon, 70 internal,\n"
      "74 input or output failed, 78 wrong configuration.");
  int exit_code = 0;
  wiremill::cli::add_log(app, exit_code);
  wiremill::cli::add_run(app, exit_code);
  wiremill::cli::add_push(app, exit_code);
  wiremill::cli::add_tail(app, exit_code);
  wiremill::cli::add_status(app, exit_code);
  wiremill::cli::add_show(app, exit_code);
  wiremill::cli::add_dead(app, exit_code);
  wiremill::cli::add_cursor(app, exit_code);
  wiremill::cli::add_reload(app, exit_code);
  wiremill::cli::add_plugin(app, exit_code);
  wiremill::cli::add_validate(app, exit_code);
  wiremill::cli::prepare_signals();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 64;
  }
  if (app.get_subcommands().empty()) {
    wiremill::cli::print_error("which command? Try --help.");
    return 64;
  }
  return exit_code;
}
