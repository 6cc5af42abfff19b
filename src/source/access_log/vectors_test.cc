#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/time.h"
#include "codec/json.h"
#include "source/access_log/apache_time.h"
#include "source/access_log/parser.h"
#include "source/access_log/test_data.h"

namespace tarn::access_log {
namespace {

using codec::Json;

constexpr char kCombined[] = R"(%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i")";
constexpr char kLtsv[] = R"(time:%t\thost:%h\treq:%r\tstatus:%>s\tsize:%b)"
                         R"(\tua:%{User-Agent}i\treqtime:%{r}n\ttaken_sec:%{t}n\tvhost:%v)";

// Vectors whose `format` is not the format of their line: what their project calls combined or
// ltsv is a union of layouts, in Tarn each layout is a LogFormat string of its own.
const std::map<std::string, std::string> kFormatOf = {
    // Its "combined" allows one more quoted field at the end.
    {"axslogparser-001", std::string(kCombined) + R"( "%{X-Forwarded-For}i")"},
    // It has a referer and no agent.
    {"axslogparser-009", R"(%h %l %u %t "%r" %>s %b "%{Referer}i")"},
    {"axslogparser-005", R"(%v %h %l %u %t "%r" %>s %b)"},
    {"axslogparser-007", R"(%v %h %l %u %t "%r" %>s %b)"},
    {"axslogparser-017", std::string("%{X-Forwarded-For}i ") + kCombined},
    // LTSV is a LogFormat with labels; %{…}t stands for a time without brackets.
    {"axslogparser-010", ""},
    {"axslogparser-011", ""},
    {"axslogparser-012", ""},
    {"axslogparser-013", ""},
    {"axslogparser-015", ""},
    {"axslogparser-016", ""},
    // crowdsec's pattern has an optional virtual host in front and an optional referer and agent.
    {"crowdsec-hub-004", std::string("%v ") + kCombined},
    {"crowdsec-hub-006", "common"},
    {"crowdsec-hub-007", std::string("%v:%p ") + kCombined},
    // The time is written by another strftime format.
    {"vector-vrl-016", R"(%h %l %u [%{%Y-%m-%dT%H:%M:%S%z}t] "%r" %>s %b)"},
};

// Facts of `norm` that Tarn states otherwise, with the reason.
const std::map<std::string, std::set<std::string>> kOtherwise = {
    // \xNN are bytes; read as UTF-8 these are malformed and become U+FFFD, upstream reads Latin-1.
    {"apachelogs-021", {"agent"}},
    {"apachelogs-036", {"request"}},
};
// fluentd and crowdsec leave escapes undecoded in `norm`; section 2 of the issue decodes them, so
// the expectation is decoded first.
std::string DecodeEscapes(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] == 'x') {
      out.push_back(static_cast<char>(std::stoi(text.substr(i + 2, 2), nullptr, 16)));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// ok:false vectors that Tarn accepts, with the reason.
const std::map<std::string, std::string> kAccepted = {
    {"axslogparser-019",
     "axslogparser's strict mode refuses a request line of four words; its loose mode "
     "(axslogparser-014) keeps the line with method null, and Apache writes such lines"},
};

// crowdsec asserts `request` null where it could split it, which is about its own field of
// malformed requests.
bool AboutItsOwnFields(const std::string& id, const std::string& key, const Json& want) {
  return id.starts_with("crowdsec-hub") && key == "request" && want.is_null();
}

std::string FormatFor(const std::string& id, const std::string& format, const std::string& input) {
  const auto found = kFormatOf.find(id);
  if (found == kFormatOf.end()) return format == "common/combined" ? "combined" : format;
  if (!found->second.empty()) return found->second;
  std::string ltsv = kLtsv;
  const std::string bare = R"(time:%{%d/%b/%Y:%H:%M:%S %z}t)";
  if (input.find("time:[") == std::string::npos) ltsv.replace(0, 7, bare);
  if (id == "axslogparser-011") ltsv.insert(ltsv.find("\\tvhost"), "\\tapptime:%{a}n");
  if (id == "axslogparser-012")
    ltsv.insert(ltsv.find("\\treqtime"), "\\turi:%U%q\\tprotocol:%H\\tmethod:%m");
  if (id == "axslogparser-013") {
    const size_t host = ltsv.find("\\thost:%h");
    ltsv = "host:%h\\t" + ltsv.substr(0, host) + ltsv.substr(host + 9);
  }
  return ltsv;
}

Json ValueOf(const event::ColumnBatch& rows, const Format& format, const std::string& key) {
  const auto index = format.schema().IndexOf(key);
  if (!index || rows.column(*index).IsNull(0)) return Json();
  const auto& column = rows.column(*index);
  if (column.is_bytes()) return Json(std::string(column.BytesAt(0)));
  return Json(column.IntAt(0));
}

void ExpectNorm(const std::string& id, const Json& norm, const event::ColumnBatch& rows,
                const Format& format, const Json& as_json) {
  for (const auto& [key, want] : *norm.AsObject()) {
    const auto otherwise = kOtherwise.find(id);
    if (otherwise != kOtherwise.end() && otherwise->second.contains(key)) continue;
    if (AboutItsOwnFields(id, key, want)) continue;
    const Json got = ValueOf(rows, format, key);
    if (key == "time" && !want.is_null()) {
      const auto time = ParseTimestamp(*want.AsString());
      ASSERT_TRUE(time.ok()) << id;
      EXPECT_EQ(got, Json(time->micros)) << id;
      EXPECT_EQ(as_json.GetString("time").value(), FormatTimestamp(*time)) << id;
      continue;
    }
    const Json decoded = want.AsString() ? Json(DecodeEscapes(*want.AsString())) : want;
    EXPECT_EQ(DumpJson(got), DumpJson(decoded)) << id << " " << key;
    const Json* member = as_json.Find(key);
    EXPECT_EQ(member == nullptr ? Json() : *member, decoded) << id << " " << key << " in JSON";
  }
}

TEST(Vectors, EveryLineOfSevenProjectsReadsAsItsNormSays) {
  TARN_WEBLOGS_OR_SKIP(folder);
  int accepted = 0;
  int refused = 0;
  for (const auto& text : LinesOf(*folder / "vectors/access-log-vectors.jsonl")) {
    const auto vector = codec::ParseJson(text);
    ASSERT_TRUE(vector.ok());
    const std::string id = vector->GetString("id").value();
    const std::string input = vector->GetString("input").value();
    const auto format = Format::Compile(FormatFor(id, vector->GetString("format").value(), input));
    ASSERT_TRUE(format.ok()) << id << ": " << format.error().ToString();
    Parser parser(*format, Shape::kFull);
    event::ColumnBatch rows(format->schema());
    std::string_view reason;
    const bool want = vector->GetBool("ok").value() || kAccepted.contains(id);
    const bool got = parser.Parse(input, rows, reason);
    EXPECT_EQ(got, want) << id << ": " << reason << ": " << input;
    EXPECT_EQ(rows.rows(), got ? 1U : 0U);
    EXPECT_EQ(parser.Check(input, reason), got) << id;
    std::string json;
    EXPECT_EQ(parser.AppendJson(input, json, reason), got) << id;
    (got ? accepted : refused)++;
    if (!got) {
      EXPECT_FALSE(reason.empty()) << id;
      continue;
    }
    const auto as_json = codec::ParseJson(json);
    ASSERT_TRUE(as_json.ok()) << id << ": " << json;
    if (const Json* norm = vector->Find("norm"); norm != nullptr && norm->AsObject()) {
      ExpectNorm(id, *norm, rows, *format, *as_json);
    }
  }
  EXPECT_EQ(accepted + refused, 143);
  EXPECT_EQ(refused, 8);
}

TEST(Vectors, TimestampsReadAsApachelogsReadsThem) {
  TARN_WEBLOGS_OR_SKIP(folder);
  int count = 0;
  for (const auto& text : LinesOf(*folder / "vectors/timestamp-vectors.jsonl")) {
    const auto vector = codec::ParseJson(text);
    ASSERT_TRUE(vector.ok());
    const Json& item = *vector->Find("case");
    ++count;
    if (item.AsString() != nullptr) {
      EXPECT_FALSE(ParseBracketedApacheTime(*item.AsString())) << text;
      continue;
    }
    const auto want = ParseTimestamp(*(*item.AsArray())[1].AsString());
    ASSERT_TRUE(want.ok()) << text;
    EXPECT_EQ(ParseBracketedApacheTime(*(*item.AsArray())[0].AsString()), want->micros) << text;
  }
  EXPECT_EQ(count, 71);
}

}  // namespace
}  // namespace tarn::access_log
