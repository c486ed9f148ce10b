// clean_measure [--input auto|text|html|markdown] [--repeat N]: runs the clean stage's core over
// the files whose paths come in on standard input, one a line, and writes for each a header line
// "PATH \t BYTES OF BODY \t NANOSECONDS \t BYTES OF TEXT \t DATELINE \t TITLE \t PUBLISHED \t
// BYLINE" and the text. measure.py scores what it writes. One thread; the clock runs over
// extraction alone.
#include <time.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "plugins/clean/article.hpp"

namespace {

// Processor time of this thread: what others do on the machine does not count.
int64_t cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace wiremill::clean;
  Limits limits;
  int repeat = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i], value = argv[i + 1];
    if (option == "--repeat")
      repeat = std::stoi(value);
    else if (option == "--input" && value == "text")
      limits.input = InputKind::kText;
    else if (option == "--input" && value == "html")
      limits.input = InputKind::kHtml;
    else if (option == "--input" && value == "markdown")
      limits.input = InputKind::kMarkdown;
  }
  HtmlTree tree;
  for (std::string path; std::getline(std::cin, path);) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      std::cerr << "cannot read " << path << '\n';
      return 66;
    }
    const std::string body{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    Article article;
    const int64_t begin = cpu_ns();
    for (int round = 0; round < repeat; ++round) article = extract({.body = body}, limits, tree);
    const int64_t spent = (cpu_ns() - begin) / repeat;
    std::cout << path << '\t' << body.size() << '\t' << spent << '\t' << article.text.size() << '\t'
              << article.dateline << '\t' << article.title << '\t' << article.published_us << '\t'
              << article.byline << '\n'
              << article.text << '\n';
  }
  return 0;
}
