#include "source/access_log/parser.h"

#include <gtest/gtest.h>

#include <random>

#include "base/text.h"
#include "codec/json.h"
#include "source/access_log/kernel.h"

namespace tarn::access_log {
namespace {

constexpr char kStart[] = "::1 - - [24/Nov/2026:13:09:46 +0000] ";

// One parsed line, columns as text; "(null)" for null, "(refused) reason" for a refused line.
class OneLine {
 public:
  OneLine(std::string_view format, std::string_view line, Shape shape = Shape::kFull)
      : line_(line), format_(*Format::Compile(format)), rows_(format_.schema()) {
    Parser parser(format_, shape);
    std::string_view reason;
    if (!parser.Parse(line_, rows_, reason)) reason_ = reason;
  }
  OneLine(const OneLine&) = delete;
  OneLine& operator=(const OneLine&) = delete;
  std::string operator[](std::string_view name) const {
    if (rows_.rows() == 0) return "(refused) " + reason_;
    const auto index = format_.schema().IndexOf(name);
    if (!index) return "(no column)";
    const auto& column = rows_.column(*index);
    if (column.IsNull(0)) return "(null)";
    return column.is_bytes() ? std::string(column.BytesAt(0)) : std::to_string(column.IntAt(0));
  }

 private:
  const std::string line_;  // rows borrow from it
  Format format_;
  event::ColumnBatch rows_;
  std::string reason_;
};

OneLine Combined(std::string_view rest) { return OneLine("combined", kStart + std::string(rest)); }

struct Hostile {
  std::string rest;
  std::string request, method, target, protocol, agent;
};

TEST(Parser, TakesEveryHostileLineApacheWrites) {
  const std::string a9000(8'180, 'a');
  const std::string n = "(null)";
  const Hostile kTable[] = {
      {R"("\x16\x03\x01\x02" 400 226 "-" "-")", "\x16\x03\x01\x02", n, n, n, n},
      {R"("\x03" 400 226 "-" "-")", "\x03", n, n, n, n},
      {R"("FOO /x HTTP/1.1" 501 1 "-" "ua")", "FOO /x HTTP/1.1", "FOO", "/x", "HTTP/1.1", "ua"},
      {R"("G@T /x HTTP/1.1" 400 1 "-" "-")", "G@T /x HTTP/1.1", n, n, n, n},
      {"\"GET /" + a9000 + "\" 414 1 \"-\" \"-\"", "GET /" + a9000, "GET", "/" + a9000, n, n},
      {R"("GET /a" 400 1 "-" "-")", "GET /a", "GET", "/a", n, n},
      {R"("GET /q\"uo\"te\\back HTTP/1.1" 404 1 "-" "A \"B\" \\C\\ tab\there")",
       R"(GET /q"uo"te\back HTTP/1.1)", "GET", R"(/q"uo"te\back)", "HTTP/1.1",
       "A \"B\" \\C\\ tab\there"},
      {R"("GET /caf\xc3\xa9 HTTP/1.1" 404 1 "-" "caf\xc3\xa9 \xf0\x9f\x98\x80 \xff")",
       "GET /café HTTP/1.1", "GET", "/café", "HTTP/1.1", "café 😀 \xEF\xBF\xBD"},
      {R"("GET /a b" 400 1 "-" "-")", "GET /a b", n, n, n, n},
      {R"("GET /a\x01\x7fb c" 400 1 "-" "-")",
       "GET /a\x01\x7f"
       "b c",
       n, n, n, n},
      {R"("GET /lf HTTP/1.1\n" 400 1 "-" "-")", "GET /lf HTTP/1.1\n", "GET", "/lf", "HTTP/1.1", n},
      {R"("GET / HTTP/9.9" 200 1 "-" "-")", "GET / HTTP/9.9", "GET", "/", "HTTP/9.9", n},
      {R"("GET /" 200 1 "-" "-")", "GET /", "GET", "/", n, n},
      {R"("PRI * HTTP/2.0" 400 1 "-" "-")", "PRI * HTTP/2.0", "PRI", "*", "HTTP/2.0", n},
      {R"("CONNECT a:443 HTTP/1.1" 405 1 "-" "-")", "CONNECT a:443 HTTP/1.1", "CONNECT", "a:443",
       "HTTP/1.1", n},
      {R"("GET http://a/b HTTP/1.1" 404 1 "-" "-")", "GET http://a/b HTTP/1.1", "GET", "http://a/b",
       "HTTP/1.1", n},
      {R"("-" 408 - "-" "-")", n, n, n, n, n},
      {R"("GET /slow HTTP/1.1" 408 261 "" "")", "GET /slow HTTP/1.1", "GET", "/slow", "HTTP/1.1",
       ""},
  };
  for (const auto& want : kTable) {
    const OneLine got = Combined(want.rest);
    EXPECT_EQ(got["request"], want.request) << want.rest;
    EXPECT_EQ(got["method"], want.method) << want.rest;
    EXPECT_EQ(got["target"], want.target) << want.rest;
    EXPECT_EQ(got["protocol"], want.protocol) << want.rest;
    EXPECT_EQ(got["agent"], want.agent) << want.rest;
    EXPECT_EQ(got["host"], "::1") << want.rest;
  }
}

TEST(Parser, AHostIsANameOrAnAddress) {
  using namespace std::string_literals;
  const std::string rest = R"( - - [24/Nov/2026:13:09:46 +0000] "-" 200 1)";
  const std::string longer(70, 'a');
  for (const std::string& host :
       {"127.0.0.1"s, "2001:db8::1"s, "fe80::1%eth0"s, "::ffff:1.2.3.4"s, "www.x.org"s, "X"s,
        "a_b-c.d"s, "xn--bcher-kva.example"s, "b\xc3\xbc"s, longer, "*"s, "a,b"s, "a\\\\b"s,
        "!#$%&'()*+,/;=?@[]^_`{|}~"s}) {
    const std::string want = host == "a\\\\b" ? "a\\b" : host;
    EXPECT_EQ(OneLine("common", host + rest)["host"], want) << host;
    EXPECT_EQ(OneLine("%a:%{remote}p", host + ":80")["host"], want) << host;
  }
  const std::string reason = "(refused) host is no name or address";
  for (const std::string& host :
       {"\0\0\0"s + "127.0.0.1", "\xEF\xBB\xBF"s + "127.0.0.1", "<html>"s, "a>"s, "\"\""s, "\"a"s,
        "a\x7f"s, "\x01"s, longer + "<", longer + "\0"s, "\\x00a"s, "\\xef\\xbb\\xbf" + longer,
        "a\\\""s, "\\n"s, "\v"s}) {
    EXPECT_EQ(OneLine("common", host + rest)["host"], reason) << host;
    EXPECT_EQ(OneLine("%h", host)["host"], reason) << host;
    EXPECT_EQ(OneLine("[%h]", "[" + host + "]")["host"], reason) << host;
    EXPECT_EQ(OneLine("%a:%{remote}p", host + ":80")["host"], reason) << host;
    EXPECT_EQ(OneLine("%s %{c}a|x", "200 " + host + "|x")["host"], reason) << host;
  }
  EXPECT_EQ(OneLine(R"("%h" %s)", "\"a b\" 200")["host"], reason);
  EXPECT_EQ(OneLine("%h %a %s", "a <b> 200")["host"], "(refused) address is no name or address");
  EXPECT_EQ(OneLine("common", "-" + rest)["host"], "(null)");
  EXPECT_EQ(OneLine("%h", "-")["host"], "(null)");
  EXPECT_EQ(OneLine("%h %s", " 200")["host"], "(refused) the line ends before host");
}

TEST(Parser, SplitsTheTarget) {
  const OneLine got = Combined(R"("GET /a?b=c?d HTTP/1.1" 200 5 "-" "-")");
  EXPECT_EQ(got["path"], "/a");
  EXPECT_EQ(got["query"], "b=c?d");
  EXPECT_EQ(Combined(R"("GET /a HTTP/1.1" 200 5 "-" "-")")["query"], "(null)");
  EXPECT_EQ(OneLine("%U%q", "/a?")["query"], "");
  EXPECT_EQ(OneLine("%U%q", "/a?b")["target"], "/a?b");
  // The query is that of the first %q, the path that of the first %U: they need not adjoin.
  EXPECT_EQ(OneLine(R"("%q" "%U%q")", R"("?b" "/a?b")")["query"], "b");
  EXPECT_EQ(OneLine(R"("%q" "%U%q")", R"("?b" "/a?b")")["target"], "(null)");
  EXPECT_EQ(OneLine(R"("%U" "%U%q")", R"("/a" "/a?b")")["target"], "(null)");
  EXPECT_EQ(OneLine(R"("%U" "%U%q")", R"("/a" "/a")")["target"], "/a");
}

TEST(Parser, UsersMayHoldSpacesAndBrackets) {
  EXPECT_EQ(OneLine("common", R"(h - a b [x] [24/Nov/2026:13:09:46 +0000] "-" 200 1)")["user"],
            "a b [x]");
  EXPECT_EQ(OneLine("common", R"(h - a - b [24/Nov/2026:13:09:46 +0000] "-" 200 1)")["user"],
            "a - b");
  EXPECT_EQ(OneLine("common", R"(h - "" [24/Nov/2026:13:09:46 +0000] "-" 200 1)")["user"], "");
  EXPECT_EQ(OneLine(R"(%u "%r")", R"(a b "GET / HTTP/1.1")")["user"], "a b");
}

TEST(Parser, SaysWhyALineIsRefused) {
  EXPECT_EQ(Combined(R"("GET / HTTP/1.1" 2xx 5 "-" "-")")["host"],
            "(refused) status is not a number");
  EXPECT_EQ(Combined(R"("GET / HTTP/1.1" 200 5 "-" "x)")["host"],
            "(refused) no closing quote after agent");
  EXPECT_EQ(Combined(R"("GET / HTTP/1.1" 200 5 "-" "x" y)")["host"],
            "(refused) the line goes on after the last field");
  EXPECT_EQ(OneLine("common", "h - - [24/Nov/2026:13:09:61 +0000] \"-\" 200 1")["host"],
            "(refused) user is not followed by a timestamp");
  EXPECT_EQ(OneLine("%t", "[30/Feb/2026:13:09:01 +0000]")["time"],
            "(refused) time is not a timestamp");
  EXPECT_EQ(OneLine("%D", "99999999999999999999")["duration_us"],
            "(refused) duration_us is out of range");
  EXPECT_EQ(OneLine("%s", "2147483648")["status"], "(refused) status is out of range");
  EXPECT_EQ(OneLine("%D %s", "-9999999999999999999 2")["status"],
            "(refused) duration_us is out of range");
  EXPECT_EQ(OneLine("%D %s", "1.5 2")["status"], "(refused) duration_us is not a whole number");
  EXPECT_EQ(OneLine("%s", "")["status"], "(refused) status is not a number");
  EXPECT_EQ(OneLine("%t", "[01/Jan/0001:00:00:00 +0100]")["time"],
            "(refused) time is not a timestamp");
  EXPECT_EQ(OneLine("%D", "-5")["duration_us"], "-5");
}

TEST(Parser, AssemblesTimesFromParts) {
  constexpr char kFormat[] = "[%{%Y-%m-%dT%H:%M:%S}t.%{usec_frac}t%{%z}t] %{end:msec}t %t";
  const OneLine got(kFormat, "[2026-11-24T13:09:46.173739+0100] 1700000000123 -");
  EXPECT_EQ(got["time"], "1795522186173739");
  EXPECT_EQ(got["end_time"], "1700000000123000");
  EXPECT_EQ(OneLine("%t %{usec_frac}t", "[24/Nov/2026:13:09:46 +0000] 000005")["time"],
            "1795525786000005");
  EXPECT_EQ(OneLine("%{%d/%b/%y %I:%M %p}t", "24/Nov/26 01:09 PM")["time"], "1795525740000000");
  EXPECT_EQ(OneLine("%{%j %Y}t", "032 2026")["time"], "1769904000000000");
  EXPECT_EQ(OneLine("%{%F %T}t", "2026-02-30 00:00:00")["time"],
            "(refused) time is not a timestamp");
}

// What strftime writes of 2026-11-30 03:46:53 +0100, a Monday, by each of its letters.
TEST(Parser, EveryLetterOfStrftimeIsRead) {
  const std::pair<std::string_view, std::string_view> texts[] = {
      {"%a", "Mon"},        {"%A", "Monday"},
      {"%b", "Nov"},        {"%B", "November"},
      {"%C", "20"},         {"%d", "30"},
      {"%D", "11/30/26"},   {"%e", "30"},
      {"%F", "2026-11-30"}, {"%g", "26"},
      {"%G", "2026"},       {"%h", "Nov"},
      {"%H", "03"},         {"%I", "03"},
      {"%j", "334"},        {"%k", " 3"},
      {"%l", " 3"},         {"%m", "11"},
      {"%M", "46"},         {"%p", "AM"},
      {"%P", "am"},         {"%R", "03:46"},
      {"%S", "53"},         {"%r", "03:46:53 AM"},
      {"%T", "03:46:53"},   {"%u", "1"},
      {"%U", "48"},         {"%V", "49"},
      {"%w", "1"},          {"%W", "48"},
      {"%x", "11/30/26"},   {"%X", "03:46:53"},
      {"%y", "26"},         {"%Y", "2026"},
      {"%Z", "CET"},        {"%%", "%"},
      {"%t", "\t"},         {"%Ec", "Mon Nov 30 03:46:53 2026"},
      {"%EY", "2026"},      {"%Od", "30"},
      {"%OH", "03"},        {"%OV", "49"},
      {"%Ex", "11/30/26"},  {"%-k", "3"},
      {"%_H", " 3"},        {"%-m", "11"},
      {"%^a", "MON"},       {"%^B", "NOVEMBER"},
      {"%#Z", "cet"},       {"%c", "Mon Nov 30 03:46:53 2026"}};
  for (const auto& [letter, written] : texts) {
    // Beside a whole time it adds nothing, and takes nothing away.
    const OneLine whole("%{%Y-%m-%d %H:%M:%S %z|" + std::string(letter) + "}t",
                        "2026-11-30 03:46:53 +0100|" + std::string(written));
    EXPECT_EQ(whole["time"], "1796006813000000") << letter;
    const OneLine alone("[%{" + std::string(letter) + "}t]", "[" + std::string(written) + "]");
    EXPECT_FALSE(alone["time"].starts_with("(refused)")) << letter << " " << alone["time"];
  }
}

TEST(Parser, LettersOfStrftimeMakeATimeTogether) {
  const auto time = [](std::string_view format, std::string_view text) {
    return OneLine("%{" + std::string(format) + "}t", text)["time"];
  };
  EXPECT_EQ(time("%G-W%V-%u %k:%M", "2026-W49-1  3:46"), "1796010360000000");
  EXPECT_EQ(time("%g %V", "26 49"), "1795996800000000");  // its Monday
  EXPECT_EQ(time("%Y %U %w", "2026 48 1"), "1795996800000000");
  EXPECT_EQ(time("%Y %W %a", "2026 48 Tue"), "1796083200000000");
  EXPECT_EQ(time("%Y %W", "2026 00"), "1767225600000000");  // its first day
  EXPECT_EQ(time("%C%y %x", "2026 11/30/26"), "1795996800000000");
  EXPECT_EQ(time("%C%y-%m-%d", "1926-11-30"), "-1359763200000000");
  EXPECT_EQ(time("%x %l:%M:%S %P", "11/30/26  3:46:53 pm"), "1796053613000000");
  EXPECT_EQ(time("%F %H:%M (%I)", "2026-11-30 15:46 (03)"), "1796053560000000");
  EXPECT_EQ(time("%G-%V", "2026-53"), "1798416000000000");
  EXPECT_EQ(time("%G-%V", "2025-53"), "(refused) time is not a timestamp");
  EXPECT_EQ(time("%Y-%j", "2026-366"), "(refused) time is not a timestamp");
  EXPECT_EQ(time("%Y-%W-%u", "2026-53-7"), "(refused) time is not a timestamp");
  EXPECT_EQ(time("%Y %U", "2026 53"), "(refused) time is not a timestamp");
  EXPECT_EQ(time("%Y-%W-%u", "2026-54-7"), "(refused) time is not a timestamp");
  // What makes no whole time is one of the first hours of 1970, or of what is said.
  EXPECT_EQ(time("%H", "03"), "10800000000");
  EXPECT_EQ(time("%k:%M", " 3:46"), "13560000000");
  EXPECT_EQ(OneLine("%{end:%H:%M}t", "03:46")["end_time"], "13560000000");
  EXPECT_EQ(OneLine("%{end}t", "[30/Nov/2026:03:46:53 +0100]")["end_time"], "1796006813000000");
}

TEST(Parser, AdjacentFieldsAndPorts) {
  const OneLine got("%v:%p %a:%{remote}p %X%I", "www.x.org:443 2001:db8::1:50000 +12");
  EXPECT_EQ(got["vhost"], "www.x.org");
  EXPECT_EQ(got["port"], "443");
  EXPECT_EQ(got["host"], "2001:db8::1");
  EXPECT_EQ(got["remote_port"], "50000");
  EXPECT_EQ(got["bytes_in"], "12");
}

TEST(Parser, CompactRowsLeaveOutWhatTheirPartsSay) {
  const auto compact = [](std::string_view request) {
    return OneLine("%r", request, Shape::kCompact);
  };
  for (const char* request :
       {"GET /a?b=c HTTP/1.1", "GET /a? HTTP/1.1", "GET / HTTP/2.0", "GET /"}) {
    EXPECT_EQ(compact(request)["request"], "(null)") << request;
    EXPECT_EQ(compact(request)["target"], "(null)") << request;
    EXPECT_EQ(compact(request)["method"], "GET") << request;
  }
  EXPECT_EQ(compact("GET /a?b=c HTTP/1.1")["query"], "b=c");
  EXPECT_EQ(compact("GET /a? HTTP/1.1")["query"], "");
  EXPECT_EQ(compact(R"(GET /a HTTP/1.1\n)")["request"], "GET /a HTTP/1.1\n");
  EXPECT_EQ(compact("GET /a b")["request"], "GET /a b");
}

TEST(Parser, CompactJsonLeavesOutWhatItsPartsSay) {
  Parser parser(*Format::Compile("combined"));
  std::string json;
  std::string_view reason;
  ASSERT_TRUE(
      parser.AppendJson(std::string(kStart) + R"("GET /a?b HTTP/1.1" 200 5 "" "x")", json, reason));
  EXPECT_EQ(json,
            R"({"host":"::1","time":"2026-11-24T13:09:46Z","method":"GET","path":"/a","query":"b",)"
            R"("protocol":"HTTP/1.1","status":200,"bytes":5,"referer":"","agent":"x"})"
            "\n");
  json.clear();
  ASSERT_TRUE(parser.AppendJson(std::string(kStart) + R"("x y z" 400 - "-" "-")", json, reason));
  EXPECT_EQ(json, R"({"host":"::1","time":"2026-11-24T13:09:46Z","request":"x y z","status":400})"
                  "\n");
}

// As ap_escape_logitem writes a value.
std::string ApacheEscape(const std::string& value) {
  std::string out;
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\b') {
      out += "\\b";
    } else if (c == '\v') {
      out += "\\v";
    } else if (c < 0x20 || c == 0x7f) {  // also above 0x7f
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02x",
                    static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += hex;
    } else {
      out += c;
    }
  }
  return out;
}

std::string RandomValue(std::mt19937_64& random, bool with_spaces) {
  std::string value;
  const size_t size = random() % (random() % 8 == 0 ? 200 : 24) + 1;
  while (value.size() < size) {
    const auto kind = random() % 12;
    char c = static_cast<char>(random() % 256);
    if (kind < 9) c = static_cast<char>(33 + random() % 94);
    if (kind == 9) c = "\"\\\n\t -[]?"[random() % 9];
    if (c == ' ' && !with_spaces) c = '_';
    value.push_back(c);
  }
  return value == "-" || (value == "\"\"" && !with_spaces) ? "x" : value;
}

TEST(Parser, ReadsBackWhatApacheEscapes) {
  std::mt19937_64 random(20261124);
  const auto format = Format::Compile(
      R"(%h %{a}n %u %t "%r" %>s %B "%{Referer}i" "%{User-Agent}i" "%{sid}C" %D %{b}e)");
  ASSERT_TRUE(format.ok());
  Parser parser(*format, Shape::kFull);
  for (int i = 0; i < 20'000; ++i) {
    const std::string note = RandomValue(random, false);
    const std::string user = RandomValue(random, true);
    const std::string request = RandomValue(random, true);
    const std::string agent = random() % 5 == 0 ? "" : RandomValue(random, true);
    const std::string cookie = RandomValue(random, true);
    const std::string env = RandomValue(random, true);
    const int64_t duration = static_cast<int64_t>(random() % 1'000'000'000);
    const std::string line = "10.0.0.1 " + ApacheEscape(note) + " " + ApacheEscape(user) +
                             " [24/Nov/2026:13:09:46 +0000] \"" + ApacheEscape(request) +
                             "\" 200 12 \"-\" \"" + ApacheEscape(agent) + "\" \"" +
                             ApacheEscape(cookie) + "\" " + std::to_string(duration) + " " +
                             ApacheEscape(env);
    event::ColumnBatch rows(format->schema());
    std::string_view reason;
    ASSERT_TRUE(parser.Parse(line, rows, reason)) << reason << ": " << line;
    std::string text;
    ASSERT_TRUE(parser.AppendJson(line, text, reason));
    const auto json = codec::ParseJson(text);
    ASSERT_TRUE(json.ok()) << text;
    const std::pair<std::string_view, std::string> kWant[] = {
        {"note_a", note}, {"user", user},         {"request", request},
        {"agent", agent}, {"cookie_sid", cookie}, {"env_b", env}};
    for (const auto& [name, value] : kWant) {
      const std::string want = ReplaceInvalidUtf8(value);
      EXPECT_EQ(rows.column(*format->schema().IndexOf(name)).BytesAt(0), want) << line;
      EXPECT_EQ(json->GetString(name).value(), want) << line;
    }
    EXPECT_EQ(json->GetInt("duration_us").value(), duration);
  }
}

TEST(Kernel, EachTellsHostsByEveryByte) {
  const auto format = Format::Compile("%h %s");
  for (int byte = 1; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool want = byte > ' ' && byte != 0x7f && c != '<' && c != '>' && c != '"';
    for (const size_t size : {8U, 41U}) {  // within one load, and not
      std::string line = std::string(size, '1') + " 200" + std::string(64, ' ');
      line[size / 2] = c;
      Scratch one{};
      Scratch two{};
      const std::string_view text = std::string_view(line).substr(0, size + 4);
      if (c != ' ' && c != '\t') {
        EXPECT_EQ(BaselineKernel().match(format->program(), text, line.size(), one), want) << byte;
        EXPECT_EQ(one.reason, want ? "" : "host is no name or address") << byte;
      }
      if (&BestKernel() != &Avx2Kernel()) continue;
      EXPECT_EQ(Avx2Kernel().match(format->program(), text, line.size(), two), want) << byte;
    }
  }
}

TEST(Kernel, BaselineAndAvx2Agree) {
  if (&BestKernel() != &Avx2Kernel()) GTEST_SKIP() << "this machine has no AVX2";
  std::mt19937_64 random(7);
  const auto format = Format::Compile("combined");
  const Program& program = format->program();
  int matched = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string line = kStart + ("\"" + ApacheEscape(RandomValue(random, true))) +
                       " /a?b HTTP/1.1\" 200 5 \"-\" \"" + ApacheEscape(RandomValue(random, true)) +
                       "\"";
    if (random() % 3 == 0) line[random() % line.size()] = static_cast<char>(random() % 256);
    const size_t slack = random() % 2 * 64;
    const size_t size = line.size();
    line.append(slack, '"');
    Scratch one{};
    Scratch two{};
    const std::string_view text = std::string_view(line).substr(0, size);
    const bool first = BaselineKernel().match(program, text, size + slack, one);
    ASSERT_EQ(Avx2Kernel().match(program, text, size + slack, two), first) << text;
    if (!first) continue;
    ++matched;
    const char* readable = line.data() + size + slack;
    BaselineKernel().split(program, readable, one);
    Avx2Kernel().split(program, readable, two);
    for (size_t slot = 0; slot < program.slots; ++slot) {
      ASSERT_EQ(one.slots[slot].encoding, two.slots[slot].encoding) << text;
      if (one.slots[slot].encoding == Encoding::kNull) continue;
      if (one.slots[slot].encoding == Encoding::kNumber) {
        ASSERT_EQ(one.slots[slot].number, two.slots[slot].number) << text;
      } else {
        ASSERT_EQ(one.slots[slot].text(), two.slots[slot].text()) << text;
      }
    }
  }
  EXPECT_GT(matched, 10'000);
}

}  // namespace
}  // namespace tarn::access_log
