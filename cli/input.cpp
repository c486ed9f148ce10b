#include "cli/input.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <utility>

#include "daemon/document/document_json.hpp"

namespace wiremill::cli {
namespace {

struct Ending {
  std::string_view ending;
  InputKind kind;
  std::string_view content_type;
};
constexpr Ending kEndings[] = {
    {".html", InputKind::Html, "text/html"},   {".htm", InputKind::Html, "text/html"},
    {".xhtml", InputKind::Html, "text/html"},  {".txt", InputKind::Text, "text/plain"},
    {".md", InputKind::Text, "text/markdown"}, {".json", InputKind::Json, ""},
    {".jsonl", InputKind::JsonLines, ""},      {".ndjson", InputKind::JsonLines, ""},
};

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

const std::vector<std::pair<std::string, InputKind>>& input_kinds() {
  static const std::vector<std::pair<std::string, InputKind>> kinds = {
      {"auto", InputKind::Auto}, {"text", InputKind::Text},       {"html", InputKind::Html},
      {"json", InputKind::Json}, {"jsonl", InputKind::JsonLines},
  };
  return kinds;
}

DocumentInput::DocumentInput(std::vector<std::string> files, InputKind kind, std::string source)
    : files_(std::move(files)), kind_(kind), source_(std::move(source)) {
  std::ios::sync_with_stdio(false);  // else std::cin has no buffer that could be asked
}

std::istream& DocumentInput::stream() { return path_ == "-" ? std::cin : file_; }

bool DocumentInput::ready() {
  const bool at_stdin =
      open_ ? path_ == "-" : next_file_ < files_.size() && files_[next_file_] == "-";
  if (!at_stdin || std::cin.rdbuf()->in_avail() > 0) return true;
  pollfd input = {STDIN_FILENO, POLLIN, 0};
  return poll(&input, 1, 0) > 0;
}

uint64_t DocumentInput::total() const {
  for (const std::string& file : files_)
    if (kind_ == InputKind::JsonLines || file == "-" || file.ends_with(".jsonl") ||
        file.ends_with(".ndjson"))
      return 0;
  return files_.size();
}

Status DocumentInput::open_next() {
  path_ = files_[next_file_++];
  line_ = 0;
  open_kind_ = kind_;
  content_type_ = kind_ == InputKind::Html   ? "text/html"
                  : kind_ == InputKind::Text ? "text/plain"
                                             : "";
  if (path_ != "-") {
    if (std::filesystem::is_directory(path_))
      return fail(ErrorCode::Io, "{} is a folder, not a file", path_);
    file_ = std::ifstream(path_, std::ios::binary);
    if (!file_) return fail_errno(errno, "open", path_);
  }
  open_ = true;
  if (kind_ != InputKind::Auto) return {};
  open_kind_ = InputKind::Text;
  for (const Ending& ending : kEndings)
    if (path_.ends_with(ending.ending)) {
      open_kind_ = ending.kind;
      content_type_ = ending.content_type;
    }
  if (path_ == "-" && (stream() >> std::ws).peek() == '{') open_kind_ = InputKind::JsonLines;
  return {};
}

Result<std::string> DocumentInput::read_whole() {
  std::string bytes;
  std::string chunk(1 << 16, '\0');
  while (stream().read(chunk.data(), static_cast<std::streamsize>(chunk.size())) ||
         stream().gcount() > 0) {
    bytes.append(chunk, 0, static_cast<size_t>(stream().gcount()));
    if (static_cast<std::streamsize>(bytes.size()) > kFileBytesMax)
      return fail(ErrorCode::TooLarge, "larger than 1 GiB");
  }
  if (stream().bad()) return fail(ErrorCode::Io, "reading failed");
  return bytes;
}

Result<v1::Document> DocumentInput::make(std::string bytes) const {
  if (open_kind_ == InputKind::Json || open_kind_ == InputKind::JsonLines) {
    auto document = document_from_json(bytes);
    if (document && document->source().empty()) document->set_source(source_);
    return document;
  }
  v1::Document document;
  if (path_ != "-") document.set_id(path_);
  document.set_source(source_);
  document.set_content_type(content_type_);
  document.set_body(std::move(bytes));
  return document;
}

DocumentInput::Next DocumentInput::next(InputDocument& out, Error& refusal) {
  for (;;) {
    if (!open_) {
      if (next_file_ == files_.size()) return Next::End;
      if (const Status opened = open_next(); !opened) {
        refusal = opened.error();
        return Next::Refused;
      }
    }
    out.where = path_;
    Result<std::string> bytes = std::string();
    if (open_kind_ == InputKind::JsonLines) {
      if (!std::getline(stream(), *bytes)) {
        open_ = false;
        continue;
      }
      out.where = path_ + ":" + std::to_string(++line_);
      if (is_blank(*bytes)) continue;
    } else {
      bytes = read_whole();
      open_ = false;
    }
    Result<v1::Document> document =
        bytes ? make(std::move(*bytes)) : tl::unexpected(std::move(bytes).error());
    if (!document) {
      refusal = {document.error().code, out.where + ": " + document.error().message};
      return Next::Refused;
    }
    out.document = std::move(*document);
    return Next::Document;
  }
}

}  // namespace wiremill::cli
