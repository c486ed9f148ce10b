// The note of a plugin's file: what is read from a sound one, what is refused and in which words, and
// that nothing refused is ever mapped. Every truncation and every changed byte of a file is tried.
#include <elf.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wiremill/plugin.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "daemon/plugin/plugin.hpp"
#include "daemon/plugin/plugin_note.hpp"

namespace wiremill {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string file_of(const std::string& kind) { return NOTED_PLUGINS "/noted_" + kind + ".so"; }

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Loads it and answers why it was refused, or "".
std::string load(const std::string& path) {
  const auto plugin = Plugin::load(path, {});
  return plugin ? "" : plugin.error().message;
}

bool was_mapped() { return std::getenv("NOTED_PLUGIN") != nullptr; }

class PluginNoteTest : public testing::Test {
 protected:
  void SetUp() override {
    memory_ = memfd_create("changed.so", 0);
    ASSERT_GE(memory_, 0);
    path_ = "/proc/self/fd/" + std::to_string(memory_);
    unsetenv("NOTED_PLUGIN");
    note_ = sound_.find("Wiremill") - sizeof(Elf64_Nhdr);
  }
  void TearDown() override { close(memory_); }

  // What is said about a file of these bytes, without its path.
  std::string said(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary) << bytes;
    const auto note = read_plugin_note(path_);
    if (note) return note->id + " " + note->version;
    EXPECT_THAT(note.error().message, StartsWith(path_.string() + ": not a Wiremill plugin: "));
    return note.error().message.substr(path_.string().size() + 25);
  }

  template <class Number>
  std::string with(size_t offset, Number number) const {
    std::string bytes = sound_;
    std::memcpy(bytes.data() + offset, &number, sizeof number);
    return bytes;
  }

  // Where the program header of the note's segment stands.
  size_t note_segment() const {
    Elf64_Ehdr header;
    std::memcpy(&header, sound_.data(), sizeof header);
    for (size_t i = 0; i < header.e_phnum; ++i) {
      const size_t at = header.e_phoff + i * sizeof(Elf64_Phdr);
      Elf64_Phdr segment;
      std::memcpy(&segment, sound_.data() + at, sizeof segment);
      if (segment.p_type == PT_NOTE && segment.p_offset <= note_ &&
          note_ < segment.p_offset + segment.p_filesz)
        return at;
    }
    ADD_FAILURE() << "no segment holds the note";
    return 0;
  }

  const std::string sound_ = bytes_of(file_of("sound"));
  size_t note_ = 0;
  int memory_ = -1;
  fs::path path_;  // a file in memory: tens of thousands of changes would wear a disk
};

TEST_F(PluginNoteTest, IsReadWithoutMapping) {
  const auto note = read_plugin_note(file_of("sound"));
  ASSERT_TRUE(note) << note.error().message;
  EXPECT_EQ(note->id, "test.noted");
  EXPECT_EQ(note->version, "1.2.3");
  EXPECT_EQ(note->abi_major, WM_ABI_MAJOR);
  EXPECT_EQ(note->abi_minor, WM_ABI_MINOR);
  EXPECT_FALSE(was_mapped());
}

TEST_F(PluginNoteTest, ASoundPluginLoads) {
  EXPECT_EQ(load(file_of("sound")), "");
  EXPECT_TRUE(was_mapped()) << "so the other tests see it when a file is mapped";
}

TEST_F(PluginNoteTest, APluginOfANewerMinorLoads) { EXPECT_EQ(load(file_of("newer_minor")), ""); }

TEST_F(PluginNoteTest, WithoutANoteIsNotMapped) {
  EXPECT_THAT(load(file_of("without_note")), HasSubstr("not a Wiremill plugin: it has no note"));
  EXPECT_FALSE(was_mapped());
}

TEST_F(PluginNoteTest, OfAnotherMajorIsNotMapped) {
  EXPECT_THAT(load(file_of("other_major")),
              HasSubstr(fmt::format("built for ABI 2.{0}, this host speaks 1.{0}", WM_ABI_MINOR)));
  EXPECT_FALSE(was_mapped());
}

TEST_F(PluginNoteTest, AndTheDescriptorMustAgree) {
  EXPECT_THAT(load(file_of("other_id")),
              HasSubstr("its note says test.other 1.2.3, its descriptor test.noted 1.2.3"));
  EXPECT_THAT(load(file_of("other_minor")), HasSubstr("its note says ABI 1.900, its entry 1.901"));
}

TEST_F(PluginNoteTest, ForeignFilesAreNamed) {
  EXPECT_EQ(said(""), "no ELF file");
  EXPECT_EQ(said("#!/usr/bin/python3\nprint(1)\n"), "no ELF file");
  EXPECT_EQ(said(with(EI_CLASS, ELFCLASS32)), "an ELF file, but not of 64 bits");
  EXPECT_EQ(said(with(EI_DATA, ELFDATA2MSB)), "an ELF file of the other byte order");
  EXPECT_EQ(said(with(offsetof(Elf64_Ehdr, e_type), Elf64_Half{ET_REL})),
            "an ELF file, but no shared object");
  EXPECT_THAT(said(with(offsetof(Elf64_Ehdr, e_machine), Elf64_Half{EM_S390})),
              StartsWith("built for another machine (ELF machine 22, this is "));
  const auto folder = read_plugin_note("/proc");
  EXPECT_EQ(folder.error().message, "/proc: not a file");
  const auto absent = read_plugin_note("/proc/absent.so");
  EXPECT_EQ(absent.error().code, ErrorCode::Io);
  EXPECT_THAT(absent.error().message, HasSubstr("absent.so"));
}

TEST_F(PluginNoteTest, SizesThatCannotBeAreRefused) {
  EXPECT_THAT(said(with(offsetof(Elf64_Ehdr, e_phnum), Elf64_Half{0xffff})),
              StartsWith("65535 program headers of 56 bytes"));
  EXPECT_EQ(said(with(offsetof(Elf64_Ehdr, e_phoff), ~uint64_t{0})),
            "cut short within its program headers");
  const size_t segment = note_segment();
  EXPECT_THAT(said(with(segment + offsetof(Elf64_Phdr, p_offset), ~uint64_t{0} - 8)),
              StartsWith("cut short: it has "));
  EXPECT_EQ(said(with(segment + offsetof(Elf64_Phdr, p_filesz), uint64_t{100'000}) +
                 std::string(100'000, '\0')),
            "notes of 100000 bytes, at most 65536 expected");
  EXPECT_EQ(said(with(note_ + offsetof(wm_note, name_size), ~uint32_t{0})),
            "a note of it reaches beyond its segment");
  EXPECT_EQ(said(with(note_ + offsetof(wm_note, description_size), ~uint32_t{0})),
            "a note of it reaches beyond its segment");
  EXPECT_EQ(said(with(note_ + offsetof(wm_note, description_size), uint32_t{8})),
            "its note has 8 bytes, at least 164 expected");
}

TEST(PluginFile, AReplacedFileIsAPluginOfItsOwn) {
  const fs::path directory = fs::path(testing::TempDir()) / "replaced_plugin";
  fs::remove_all(directory);
  fs::create_directories(directory);
  const fs::path path = directory / "some.so";
  // As `install` does it.
  const auto replace = [&] {
    fs::copy_file(file_of("sound"), directory / "new");
    fs::rename(directory / "new", path);
  };
  const auto loaded = [&](const std::string& name) {
    auto plugin = Plugin::load(name, {directory});
    EXPECT_TRUE(plugin.has_value()) << plugin.error().message;
    return *plugin;
  };
  replace();
  const auto first = loaded(path);
  EXPECT_EQ(loaded(path), first);
  EXPECT_EQ(loaded("some"), first) << "found by its name";
  replace();
  const auto second = loaded(path);
  EXPECT_NE(second, first);
  EXPECT_NE(&second->descriptor(), &first->descriptor()) << "its own code";
  EXPECT_EQ(second->path(), path) << "models lie beside it";
  EXPECT_EQ(loaded("some"), second);
  EXPECT_STREQ(first->descriptor().id, second->descriptor().id);
  fs::remove(path);
  EXPECT_FALSE(Plugin::load(path, {}));
}

TEST_F(PluginNoteTest, AnIdThatCannotBeShownIsRefused) {
  const std::string unreadable = "its note has no readable id and version";
  EXPECT_EQ(said(with(note_ + offsetof(wm_note, id), '\0')), unreadable);
  EXPECT_EQ(said(with(note_ + offsetof(wm_note, id), '\x1b')), unreadable);
  EXPECT_EQ(said(with(note_ + offsetof(wm_note, version), '\0')), unreadable);
  std::string endless = sound_;
  std::fill_n(endless.begin() + static_cast<long>(note_ + offsetof(wm_note, id)), 128, 'x');
  EXPECT_EQ(said(endless), unreadable);
}

TEST_F(PluginNoteTest, EveryTruncationIsRefusedOrWhole) {
  Elf64_Ehdr header;
  std::memcpy(&header, sound_.data(), sizeof header);
  uint64_t needed = 0;  // the sections behind the last segment are not mapped
  for (size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, sound_.data() + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type == PT_LOAD) needed = std::max(needed, segment.p_offset + segment.p_filesz);
  }
  ASSERT_EQ(said(sound_), "test.noted 1.2.3");
  for (size_t size = sound_.size(); size-- > 0;) {
    fs::resize_file(path_, size);
    const auto note = read_plugin_note(path_);
    ASSERT_EQ(note.has_value(), size >= needed) << size;
    if (note) continue;
    ASSERT_THAT(note.error().message, StartsWith(path_.string())) << size;
  }
}

TEST_F(PluginNoteTest, EveryChangedByteIsRefusedOrHarmless) {
  ASSERT_EQ(said(sound_), "test.noted 1.2.3");
  std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
  size_t changed = 0;
  for (size_t at = 0; at < sound_.size(); ++at)
    for (const int flip : {0x01, 0x80, 0xff}) {
      const auto put = [&](char byte) {
        file.seekp(static_cast<std::streamoff>(at));
        file.put(byte).flush();
      };
      put(static_cast<char>(sound_[at] ^ flip));
      const auto note = read_plugin_note(path_);
      if (note) {
        ASSERT_TRUE(!note->id.empty() && note->id.size() < sizeof wm_note::id) << at;
      } else {
        ASSERT_THAT(note.error().message, StartsWith(path_.string())) << at;
      }
      changed += !note || note->id != "test.noted" || note->version != "1.2.3";
      put(sound_[at]);
    }
  EXPECT_GT(changed, 3 * sizeof(wm_note) / 4) << "the note's own bytes count";
  EXPECT_LT(changed, 3 * 1024U) << "what stands elsewhere does not";
}

}  // namespace
}  // namespace wiremill
