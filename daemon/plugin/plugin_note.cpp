// A shared object's program headers name its note segments; each is a row of notes: three numbers,
// a name, a description, both filled up to four bytes. Every offset and size is the file's own word,
// so each is held against the file's size or a limit before it is used.

#include "daemon/plugin/plugin_note.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wiremill/plugin.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace wiremill {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#else
#error "which ELF machine is this?"
#endif
constexpr unsigned char kByteOrder =
    std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;

constexpr size_t kSegmentsMax = 128;
constexpr size_t kNotesBytesMax = 64 << 10;  // of one segment; a plugin's are some hundred bytes
constexpr size_t kDescriptionBytes = sizeof(wm_note) - offsetof(wm_note, abi_major);

class File {
 public:
  explicit File(const std::string& path) : path_(path) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  Status open() {
    descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status {};
    if (descriptor_ < 0 || fstat(descriptor_, &status) != 0)
      return fail_errno(errno, "open", path_);
    if (!S_ISREG(status.st_mode)) return fail(ErrorCode::Config, "{}: not a file", path_);
    size_ = static_cast<uint64_t>(status.st_size);
    return {};
  }

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  bool holds(uint64_t offset, uint64_t size) const {
    return size <= size_ && offset <= size_ - size;
  }

  Status read(uint64_t offset, void* into, size_t size) const {
    auto* to = static_cast<char*>(into);
    while (size > 0) {
      const ssize_t got = pread(descriptor_, to, size, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_errno(errno, "read", path_);
      if (got == 0) return fail(ErrorCode::Config, "{}: became shorter while it was read", path_);
      to += got;
      offset += static_cast<uint64_t>(got);
      size -= static_cast<size_t>(got);
    }
    return {};
  }

 private:
  const std::string path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

tl::unexpected<Error> refuse(const File& file, std::string_view why) {
  return fail(ErrorCode::Config, "{}: not a Wiremill plugin: {}", file.path(), why);
}

Result<Elf64_Ehdr> read_header(const File& file) {
  Elf64_Ehdr header{};
  const size_t there = std::min<uint64_t>(file.size(), sizeof header);
  WM_TRY(file.read(0, &header, there));
  const unsigned char* ident = header.e_ident;
  if (there < EI_NIDENT || std::memcmp(ident, ELFMAG, SELFMAG) != 0)
    return refuse(file, "no ELF file");
  if (ident[EI_CLASS] != ELFCLASS64) return refuse(file, "an ELF file, but not of 64 bits");
  if (there < sizeof header) return refuse(file, "cut short within its ELF header");
  if (ident[EI_DATA] != kByteOrder) return refuse(file, "an ELF file of the other byte order");
  if (header.e_type != ET_DYN) return refuse(file, "an ELF file, but no shared object");
  if (header.e_machine != kMachine)
    return refuse(file, fmt::format("built for another machine (ELF machine {}, this is {})",
                                    header.e_machine, kMachine));
  return header;
}

// Also sees that every segment lies in the file: mapping one that does not would end the process.
Result<std::vector<Elf64_Phdr>> read_segments(const File& file, const Elf64_Ehdr& header) {
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > kSegmentsMax)
    return refuse(file, fmt::format("{} program headers of {} bytes are not expected",
                                    header.e_phnum, header.e_phentsize));
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  const size_t bytes = segments.size() * sizeof(Elf64_Phdr);
  if (!file.holds(header.e_phoff, bytes))
    return refuse(file, "cut short within its program headers");
  WM_TRY(file.read(header.e_phoff, segments.data(), bytes));
  for (const Elf64_Phdr& segment : segments)
    if ((segment.p_type == PT_LOAD || segment.p_type == PT_NOTE) &&
        !file.holds(segment.p_offset, segment.p_filesz))
      return refuse(file,
                    fmt::format("cut short: it has {} bytes, and a segment is said to have {} "
                                "from {} on",
                                file.size(), segment.p_filesz, segment.p_offset));
  return segments;
}

// The text of a field that is filled up with zeros; nothing where that is no name to show.
std::optional<std::string> read_field(std::string_view field) {
  const std::string_view text = field.substr(0, field.find('\0'));
  const bool shows =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (text.empty() || text.size() == field.size() || !shows) return std::nullopt;
  return std::string(text);
}

// Wiremill's note among the notes of one segment, if it is there.
Result<std::optional<PluginNote>> find_note(const File& file, std::string_view notes,
                                            size_t alignment) {
  const auto filled_up = [&](uint64_t size) {
    return (size + alignment - 1) / alignment * alignment;
  };
  const std::string_view owner(WM_NOTE_NAME, sizeof WM_NOTE_NAME);
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr header{};
    std::memcpy(&header, notes.data(), sizeof header);
    // 32-bit sizes, so these sums cannot overflow 64 bits.
    const uint64_t description_at = filled_up(sizeof header + uint64_t{header.n_namesz});
    if (description_at + header.n_descsz > notes.size())
      return refuse(file, "a note of it reaches beyond its segment");
    const std::string_view name = notes.substr(sizeof header, header.n_namesz);
    const std::string_view description = notes.substr(description_at, header.n_descsz);
    if (name == owner && header.n_type == WM_NOTE_TYPE) {
      if (description.size() < kDescriptionBytes)
        return refuse(file, fmt::format("its note has {} bytes, at least {} expected",
                                        description.size(), kDescriptionBytes));
      wm_note raw{};
      std::memcpy(&raw.abi_major, description.data(), kDescriptionBytes);
      const auto id = read_field({raw.id, sizeof raw.id});
      const auto version = read_field({raw.version, sizeof raw.version});
      if (!id || !version) return refuse(file, "its note has no readable id and version");
      return PluginNote{*id, *version, raw.abi_major, raw.abi_minor};
    }
    notes.remove_prefix(
        std::min<uint64_t>(filled_up(description_at + header.n_descsz), notes.size()));
  }
  return std::nullopt;
}

}  // namespace

Result<PluginNote> read_plugin_note(const std::string& path) {
  File file(path);
  WM_TRY(file.open());
  const auto header = read_header(file);
  if (!header) return tl::unexpected(header.error());
  const auto segments = read_segments(file, *header);
  if (!segments) return tl::unexpected(segments.error());
  std::string notes;
  for (const Elf64_Phdr& segment : *segments) {
    if (segment.p_type != PT_NOTE) continue;
    if (segment.p_filesz > kNotesBytesMax)
      return refuse(file, fmt::format("notes of {} bytes, at most {} expected", segment.p_filesz,
                                      kNotesBytesMax));
    notes.resize(segment.p_filesz);
    WM_TRY(file.read(segment.p_offset, notes.data(), notes.size()));
    const auto note = find_note(file, notes, segment.p_align == 8 ? 8 : 4);
    if (!note) return tl::unexpected(note.error());
    if (*note) return **note;
  }
  return refuse(file, "it has no note of Wiremill's (WM_NOTE in plugin.h)");
}

}  // namespace wiremill
