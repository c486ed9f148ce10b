// The model file: what is written is read, and damage is told with the file's name. The stage
// itself is loaded as the host does it, with models that are missing, foreign or damaged.
#include "plugins/entities/model.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "daemon/text/segmenter.hpp"

namespace wiremill::entities {
namespace {

namespace fs = std::filesystem;

TEST(Table, FindsWhatWasPutInAndNothingElse) {
  std::mt19937 random(7);
  std::vector<std::pair<uint32_t, std::string>> rows;
  for (uint32_t i = 0; i < 300000; ++i) {
    const auto key = static_cast<uint32_t>(random());
    rows.emplace_back(key, std::string(reinterpret_cast<const char*>(&key), sizeof key));
  }
  const std::string bytes = Table::encode(rows, 4);
  const auto table = Table::parse(bytes, 4);
  ASSERT_TRUE(table);
  for (const auto& [key, row] : rows) {
    const uint8_t* found = table->find(key);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(std::memcmp(found, row.data(), 4), 0);
  }
  size_t strangers = 0;
  for (int i = 0; i < 100000; ++i)
    strangers += table->find(static_cast<uint32_t>(random())) != nullptr;
  EXPECT_LT(strangers, 50U);
  for (size_t cut = 0; cut < 64; ++cut)
    EXPECT_FALSE(Table::parse(std::string_view(bytes).substr(0, cut), 4));
}

TEST(Table, MayBeEmpty) {
  const std::string bytes = Table::encode({}, 4);
  const auto table = Table::parse(bytes, 4);
  ASSERT_TRUE(table);
  EXPECT_EQ(table->size(), 0U);
  EXPECT_EQ(table->find(12345), nullptr);
}

// The plugin beside a model of our choice, called through the C contract.
class Stage : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("entities_test." + std::to_string(getpid()));
    fs::create_directories(folder_);
    library_ = dlopen(ENTITIES_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library_, nullptr) << dlerror();
    entry_ = static_cast<const wm_entry*>(dlsym(library_, WM_SYMBOL));
    ASSERT_NE(entry_, nullptr);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string read_model() {
    std::ifstream file(ENTITIES_MODEL, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write_model(const std::string& bytes) const {
    std::ofstream(folder_ / "entities.model", std::ios::binary) << bytes;
  }

  static wm_view view(std::string_view text) { return {text.data(), text.size()}; }

  // An instance, or null with `why_`.
  void* create(const std::string& folder, std::vector<std::string_view> types = {"PER", "ORG"},
               double confidence_min = 0) {
    plugin_dir_ = folder;
    host_ = {sizeof(wm_host),
             0,
             nullptr,
             view("entities"),
             view(plugin_dir_),
             [](const wm_host*, uint32_t, wm_view) {},
             [](const wm_host*, wm_view, uint64_t) {},
             [](const wm_host*, const char*) -> const void* { return nullptr; },
             [](const wm_host*, wm_view, double) {},
             [](const wm_host*, wm_view, double) {},
             [](const wm_host*) -> int64_t { return 0; }};
    std::vector<wm_view> texts;
    for (const std::string_view type : types) texts.push_back(view(type));
    wm_option_value values[2] = {};
    values[0].name = view("types");
    values[0].type = WM_OPTION_STRINGS;
    values[0].texts = texts.data();
    values[0].texts_count = texts.size();
    values[1].name = view("confidence_min");
    values[1].type = WM_OPTION_NUMBER;
    values[1].number = confidence_min;
    why_.clear();
    return entry_->descriptor->create(
        &host_, values, 2,
        [](void* user, wm_view message) {
          static_cast<std::string*>(user)->assign(message.data, message.size);
        },
        &why_);
  }

  // "TYPE name" of what an instance finds in `text`, in its order.
  std::vector<std::string> process(void* instance, const std::string& text) const {
    text::Segmenter segmenter;
    text::Segmentation cut;
    segmenter.segment(text, "en", cut);
    wm_document document = {};
    document.struct_size = sizeof document;
    document.text = view(text);
    document.language.code = view("en");
    document.sentences = cut.sentences.data();
    document.sentences_count = cut.sentences.size();
    document.tokens = cut.tokens.data();
    document.tokens_count = cut.tokens.size();
    std::vector<std::string> found;
    wm_output output = {};
    output.struct_size = sizeof output;
    output.verdict = [](const wm_batch*, uint32_t, uint32_t, wm_view, wm_view message) {
      ADD_FAILURE() << std::string(message.data, message.size);
    };
    output.begin = [](const wm_batch*, uint32_t) {};
    output.set_entities = [](const wm_batch* batch, uint32_t, const wm_entity* entities,
                             size_t count) -> int32_t {
      for (size_t i = 0; i < count; ++i)
        static_cast<std::vector<std::string>*>(batch->host_data)
            ->push_back(std::string(entities[i].type.data, entities[i].type.size) + " " +
                        std::string(entities[i].name.data, entities[i].name.size));
      return WM_ERROR_NONE;
    };
    const wm_document* documents[] = {&document};
    const uint32_t cancelled = 0;
    const wm_batch batch = {sizeof(wm_batch), 1,          documents, &output,
                            nullptr,          &cancelled, &found,    0};
    EXPECT_EQ(entry_->descriptor->process(instance, &batch), 0);
    return found;
  }

  fs::path folder_;
  void* library_ = nullptr;  // never closed, as in the daemon
  const wm_entry* entry_ = nullptr;
  std::string plugin_dir_, why_;
  wm_host host_{};
};

TEST_F(Stage, ReportsTheTypesAskedFor) {
  const std::string text = "Mary Thompson moved from Chicago to Berlin last year.";
  const std::string folder = fs::path(ENTITIES_PLUGIN).parent_path().string();
  void* people = create(folder, {"PER"});
  ASSERT_NE(people, nullptr) << why_;
  EXPECT_EQ(process(people, text), (std::vector<std::string>{"PER Mary Thompson"}));
  EXPECT_TRUE(process(people, "").empty());
  entry_->descriptor->destroy(people);
  void* all = create(folder, {"PER", "LOC", "ORG", "EVENT", "MISC"});
  ASSERT_NE(all, nullptr) << why_;
  EXPECT_EQ(process(all, text),
            (std::vector<std::string>{"PER Mary Thompson", "LOC Chicago", "LOC Berlin"}));
  entry_->descriptor->destroy(all);
  void* certain = create(folder, {"PER", "LOC"}, 1.0);
  ASSERT_NE(certain, nullptr) << why_;
  EXPECT_TRUE(process(certain, "Nurbolda went to Zhaltyr, Wexen and Old Marn.").empty());
  entry_->descriptor->destroy(certain);
}

TEST_F(Stage, RefusesAnUnknownType) {
  EXPECT_EQ(create(fs::path(ENTITIES_PLUGIN).parent_path().string(), {"PER", "PERSON"}), nullptr);
  EXPECT_NE(why_.find("'PERSON'"), std::string::npos) << why_;
}

TEST_F(Stage, NamesAMissingModel) {
  EXPECT_EQ(create(folder_.string()), nullptr);
  EXPECT_NE(why_.find((folder_ / "entities.model").string()), std::string::npos) << why_;
}

TEST_F(Stage, NamesADamagedModel) {
  const std::string good = read_model();
  ASSERT_GT(good.size(), 1000U);
  std::vector<std::string> bad = {"", "WMENTITY", "not a model at all, only some text",
                                  good.substr(0, good.size() / 2), good.substr(0, 40)};
  bad.push_back(good);
  bad.back()[good.size() / 3] ^= 1;
  bad.push_back(good + "more");
  for (const std::string& bytes : bad) {
    write_model(bytes);
    EXPECT_EQ(create(folder_.string()), nullptr) << bytes.size();
    EXPECT_NE(why_.find("entities.model"), std::string::npos) << why_;
  }
}

TEST_F(Stage, NamesAnotherVersion) {
  std::string bytes = read_model();
  bytes[8] = 99;
  write_model(bytes);
  EXPECT_EQ(create(folder_.string()), nullptr);
  EXPECT_NE(why_.find("version 99"), std::string::npos) << why_;
}

TEST_F(Stage, WorksWithAModelInAnyFolder) {
  write_model(read_model());
  void* instance = create(folder_.string());
  ASSERT_NE(instance, nullptr) << why_;
  entry_->descriptor->destroy(instance);
}

}  // namespace
}  // namespace wiremill::entities
