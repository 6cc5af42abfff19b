#include <gtest/gtest.h>

#include "source/access_log/parser.h"

namespace tarn::access_log {
namespace {

std::string Read(std::string_view format, std::string_view line) {
  auto compiled = Format::Compile(format);
  if (!compiled.ok()) return compiled.error().ToString();
  Parser parser(*compiled);
  std::string json;
  std::string_view reason;
  if (!parser.AppendJson(line, json, reason)) return std::string(reason);
  json.pop_back();
  return json;
}

TEST(JsonLines, AcceptsApachesHexEscapes) {
  EXPECT_EQ(Read("json:time,host=client,request,status,ms:double,ok:boolean,extra",
                 R"({"time":"10/Oct/2000:13:55:36 -0700","client":"::1",)"
                 R"("request":"GET /caf\xc3\xa9?\u00e9\ud83d\ude00 HTTP/1.1",)"
                 R"("status":"200","ms":1.5,"ok":true,"extra":{"a":[1,"}"]},"other":1})"),
            R"({"host":"::1","time":"2000-10-10T20:55:36Z","method":"GET","path":"/café",)"
            R"("query":"é😀","protocol":"HTTP/1.1","status":200,"ms":1.5,"ok":true,)"
            R"("extra":"{\"a\":[1,\"}\"]}"})");
}

TEST(JsonLines, ReadsTheStandardColumnsByDefault) {
  EXPECT_EQ(Read("json", R"({ "host" : "a", "status": 404, "bytes": null, "target": "/x?y" })"),
            R"({"host":"a","path":"/x","query":"y","status":404})");
}

TEST(JsonLines, AKeyMayHoldAnEqualsSign) {
  EXPECT_EQ(Read("json:a:string=b=,c:string==", R"({"b=":"x","=":"y"})"), R"({"a":"x","c":"y"})");
}

TEST(JsonLines, SaysWhatIsWrong) {
  EXPECT_EQ(Read("json", "hello"), "the line is no JSON object");
  EXPECT_EQ(Read("json", R"({"host":"a)"), "no closing quote");
  EXPECT_EQ(Read("json", R"({"host":"a"} x)"), "text after the JSON object");
  EXPECT_EQ(Read("json", R"({"status":"x"})"), "status is not a number");
  EXPECT_EQ(Read("json", R"({"status":)"), "a JSON member has no value");
  EXPECT_EQ(Read("json", R"({"x":nope})"), "a JSON value is malformed");
  EXPECT_EQ(Read("json", R"({"x":)" + std::string(100, '[')), "JSON is nested too deep");
}

TEST(Csv, ReadsQuotedFieldsAndNulls) {
  EXPECT_EQ(Read("csv:host,request,status,agent,referer,time",
                 R"(::1,"GET /a,b HTTP/1.1",200,"say ""hi""",,2026-11-24T10:00:00Z)"),
            R"({"host":"::1","time":"2026-11-24T10:00:00Z","method":"GET","path":"/a,b",)"
            R"("protocol":"HTTP/1.1","status":200,"agent":"say \"hi\""})");
  EXPECT_EQ(Read("tsv:host,user", "h\t-"), R"({"host":"h"})");
  EXPECT_EQ(Read("csv:host,user,agent", R"(h,"",)"), R"({"host":"h","user":""})");
}

TEST(Csv, SaysWhatIsWrong) {
  EXPECT_EQ(Read("csv:a,b", "1"), "fewer fields than columns");
  EXPECT_EQ(Read("csv:a,b", "1,2,3"), "more fields than columns");
  EXPECT_EQ(Read("csv:a,b", "\"1,2"), "no closing quote");
  EXPECT_EQ(Read("csv:a,b", "\"1\"x,2"), "text after a closing quote");
  EXPECT_EQ(Read("csv:a,time", "1,yesterday"), "time is not a timestamp");
}

TEST(Csv, TheLinesOfARecordOverTwoAreNoRecords) {
  EXPECT_EQ(Read("csv:a,b,c", "1,\"GET /a"), "no closing quote");
  EXPECT_EQ(Read("csv:a,b,c", "and so on\",200,x"), "a quote inside a field without quotes");
  EXPECT_EQ(Read("csv:a,b,c", "\",200,x"), "no closing quote");
  EXPECT_EQ(Read("csv:a,b", "1,5\""), "a quote inside a field without quotes");
  EXPECT_EQ(Read("tsv:a,b", "x\"y\tz"), R"({"a":"x\"y","b":"z"})");
}

TEST(Structured, ANumberThatDoesNotFitItsColumnIsCalledSo) {
  const auto reason = [](std::string_view type, std::string_view value) {
    const std::string column = "a:" + std::string(type);
    const std::string csv = Read("csv:" + column, value);
    EXPECT_EQ(Read("json:" + column, "{\"a\":" + std::string(value) + "}"), csv);
    EXPECT_EQ(Read("regex:(?P<status>.*)", "9999999999"), "status is out of range");
    return csv;
  };
  EXPECT_EQ(reason("int", "99999999999"), "a is out of range");
  EXPECT_EQ(reason("int", "2147483648"), "a is out of range");
  EXPECT_EQ(reason("int", "-2147483649"), "a is out of range");
  EXPECT_EQ(reason("int", "1e400"), "a is out of range");
  EXPECT_EQ(reason("long", "9223372036854775808"), "a is out of range");
  EXPECT_EQ(reason("double", "1e400"), "a is out of range");
  EXPECT_EQ(reason("int", "1.5"), "a is not a whole number");
  EXPECT_EQ(reason("long", "-1.5e-3"), "a is not a whole number");
  EXPECT_EQ(Read("csv:a:int", "1.5.2"), "a is not a number");
  EXPECT_EQ(Read("csv:a:int", "inf"), "a is not a number");
  EXPECT_EQ(Read("json:a:double", R"({"a":1,"b":1e400})"), R"({"a":1})");
  EXPECT_EQ(Read("json:a:int", R"({"a":1e})"), "a JSON value is malformed");
}

TEST(Structured, Second60IsTheNextSecond) {
  const std::string next = R"({"time":"2017-01-01T00:00:00Z"})";
  for (const std::string time :
       {"2016-12-31T23:59:60Z", "2016/12/31 23:59:60", "2016-12-31 23:59:60",
        "2017-01-01T00:59:60+01:00", "Sat Dec 31 23:59:60 2016", "31/Dec/2016:23:59:60 +0000"}) {
    EXPECT_EQ(Read("json:time", R"({"time":")" + time + "\"}"), next) << time;
    EXPECT_EQ(Read("csv:time", time), next) << time;
    EXPECT_EQ(Read("regex:(?P<time>.*)", time), next) << time;
  }
  EXPECT_EQ(Read("csv:time", "2016-12-31T23:59:60.25Z"),
            R"({"time":"2017-01-01T00:00:00.250000Z"})");
  for (const char* none : {"2016-12-31T23:59:61Z", "2016-12-31T23:60:60Z", "2016-12-32T23:59:60Z",
                           "2016/12-31T23:59:60Z", "2016/12/31"}) {
    EXPECT_EQ(Read("csv:time", none), "time is not a timestamp") << none;
  }
}

TEST(Regex, NamedGroupsAreColumns) {
  EXPECT_EQ(Read(R"(regex:(?P<time>\d+) (?P<status>\d+) (?P<who>.*?)(?: (?P<tag>x))?)",
                 "1700000000 500 ann\\x41 b"),
            R"({"time":"2023-11-14T22:13:20Z","status":500,"who":"annA b"})");
  const std::string nested(3'000, 'x');
  EXPECT_EQ(Read("regex:(?P<a>(?P<b>(?P<c>(?P<d>(?P<e>.*)))))", nested).size(), 5 * 3'007U + 1);
  EXPECT_EQ(Read(R"(regex:(?P<a>\d))", "12"), "the expression does not match");
}

}  // namespace
}  // namespace tarn::access_log
