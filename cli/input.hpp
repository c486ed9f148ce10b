// Documents from files, standard input and JSON lines, for `run` and `push`. One thread at a time.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "wiremill/v1/document.pb.h"

namespace wiremill::cli {

enum class InputKind { Auto, Text, Html, Json, JsonLines };

// "auto", "text", "html", "json", "jsonl", for CLI11's transform.
const std::vector<std::pair<std::string, InputKind>>& input_kinds();

struct InputDocument {
  std::string where;  // "file.html", "file.jsonl:17"
  v1::Document document;
};

// Reads the files in order, JSON lines one by one. Auto goes by the name's ending, for standard
// input ("-") by the first character: '{' is JSON lines, '<' HTML, else text. A file's name becomes
// the id.
class DocumentInput {
 public:
  // `source` is given to documents that have none.
  DocumentInput(std::vector<std::string> files, InputKind kind, std::string source);

  enum class Next { Document, Refused, End };
  // Refused: this one file or line cannot be read; `refusal` says which and why; go on.
  Next next(InputDocument& out, Error& refusal);

  // Whether the next document can be read without waiting (a pipe may have no more yet).
  bool ready();
  // How many documents there will be: known only where each file is one, else 0.
  uint64_t total() const;

 private:
  static constexpr std::streamsize kFileBytesMax = std::streamsize{1} << 30;

  Status open_next();
  Result<std::string> read_whole();
  std::istream& stream();
  Result<v1::Document> make(std::string bytes) const;

  const std::vector<std::string> files_;
  const InputKind kind_;
  const std::string source_;
  size_t next_file_ = 0;
  bool open_ = false;
  std::string path_;  // of the open file
  InputKind open_kind_ = InputKind::Text;
  std::string content_type_;
  uint64_t line_ = 0;
  std::ifstream file_;
};

}  // namespace wiremill::cli
