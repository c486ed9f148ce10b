// See noise.hpp.
#include "plugins/language/measure/noise.hpp"

#include <array>
#include <random>
#include <string_view>

namespace wiremill::language {
namespace {

class Maker {
 public:
  size_t below(size_t limit) { return random_() % limit; }  // mt19937_64 is the same everywhere

  template <size_t kCount>
  std::string any(const std::array<std::string_view, kCount>& choices) {
    return std::string(choices[below(kCount)]);
  }
  std::string of(std::string_view signs, size_t length) {
    std::string text;
    for (size_t i = 0; i < length; ++i) text += signs[below(signs.size())];
    return text;
  }
  std::string digits(size_t length) { return of("0123456789", length); }
  std::string name() {
    return any<12>(
        {"i", "n", "buf", "ptr", "out", "ctx", "len", "node", "key", "idx", "tmp", "res"});
  }

  std::string code() {
    const std::string a = name(), b = name(), n = digits(1 + below(3));
    return any<8>({"for (int {a} = 0; {a} < {n}; ++{a}) { {b}[{a}] += f({a}); }",
                   "if ({a} == NULL || *{b} != {n}) { return -{n}; }",
                   "def {a}({b}): return [{b}[x] ** {n} for x in {b} if x != {n}]",
                   "const {a} = ({b}) => { return {b}.map(x => x * {n}); };",
                   ".{a} > #{b} { margin: {n}px 0; color: #f{n}; width: {n}%; }",
                   "<div class=\"{a}\"><b id=\"{b}\">{n}</b></div><br/><i></i>",
                   "{a} = {b} & 0x{n} | ~({a} << {n}); *{b}++ = {a} % {n};",
                   "#define {a}({b}) (({b}) * {n} + ({b} >> {n}))"},
                  a, b, n);
  }
  std::string numbers() {
    std::string text;
    for (size_t i = 0; i < 4 + below(8); ++i)
      text += any<5>({"+{a} ", "{a}-{b}-{n} ", "{a}.{b} ", "{a}:{b} ", "({a}) "}, digits(3),
                     digits(2), digits(4));
    return text;
  }
  std::string emoji() {
    std::string text;
    for (size_t i = 0; i < 3 + below(12); ++i)
      text += any<10>({"😀", "🎉", "🔥", "🚀", "👍", "❤️", "🌍", "⚽", " ", "✅"});
    return text;
  }
  // What is left of random bytes once they are made valid UTF-8.
  std::string random_bytes() {
    std::string text;
    for (size_t i = 0; i < 40 + below(80); ++i) {
      const size_t byte = below(256);
      if (byte >= 0x80) {
        text += "\xef\xbf\xbd";
      } else {
        text += static_cast<char>(byte);
      }
    }
    return text;
  }
  std::string base64() {
    return of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 40 + below(60)) +
           "==";
  }
  std::string hashes() {
    std::string text;
    for (size_t i = 0; i < 1 + below(4); ++i) text += of("0123456789abcdef", 32) + " ";
    return text;
  }
  std::string json() {
    return any<3>({"{\"{a}\": {n}, \"{b}\": [{n}, null, {n}], \"x\": {\"y\": true}}",
                   "[{\"{a}\":\"{n}\"},{\"{b}\":\"{n}\"},{\"{a}\":-{n}}]",
                   "{\"{a}\":{\"{b}\":{n}.5,\"{a}\":[[{n}],[]]}}"},
                  name(), name(), digits(2));
  }
  std::string addresses() {
    return any<4>(
        {"https://example.com/{a}/{b}?id={n} http://t.example/{b}{n}",
         "{a}@example.org {b}.{a}@mail.example.com", "/usr/lib/{a}/{b}.so.{n} C:\\{a}\\{b}{n}.dat",
         "www.example.com/{a}_{b}_{n}.html #{n} @{a}{n}"},
        name(), name(), digits(4));
  }
  std::string punctuation() { return of("-=*#_~.|+ <>!?/\\", 20 + below(60)); }
  std::string random_letters() {
    std::string text;
    for (size_t i = 0; i < 4 + below(6); ++i)
      text += of("bcdfghjklmnpqrstvwxzqxzkjvw", 5 + below(8)) + " ";
    return text;
  }

 private:
  template <size_t kCount>
  std::string any(const std::array<std::string_view, kCount>& choices, const std::string& a,
                  const std::string& b, const std::string& n) {
    std::string text = any(choices);
    for (const auto& [mark, value] :
         {std::pair<std::string_view, const std::string*>{"{a}", &a}, {"{b}", &b}, {"{n}", &n}})
      for (size_t at = text.find(mark); at != text.npos; at = text.find(mark, at))
        text.replace(at, mark.size(), *value);
    return text;
  }

  std::mt19937_64 random_{20};
};

}  // namespace

std::vector<NoiseRow> noise_rows(size_t count) {
  using Make = std::string (Maker::*)();
  constexpr std::pair<const char*, Make> kKinds[] = {{"code", &Maker::code},
                                                     {"numbers", &Maker::numbers},
                                                     {"emoji", &Maker::emoji},
                                                     {"random bytes", &Maker::random_bytes},
                                                     {"base64", &Maker::base64},
                                                     {"hashes", &Maker::hashes},
                                                     {"json", &Maker::json},
                                                     {"addresses", &Maker::addresses},
                                                     {"punctuation", &Maker::punctuation},
                                                     {"random letters", &Maker::random_letters}};
  Maker maker;
  std::vector<NoiseRow> rows;
  for (size_t i = 0; i < count; ++i) {
    const auto& [kind, make] = kKinds[i % std::size(kKinds)];
    rows.push_back({kind, (maker.*make)()});
  }
  return rows;
}

}  // namespace wiremill::language
