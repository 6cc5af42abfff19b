#include "source/access_log/format.h"

#include <gtest/gtest.h>

#include "source/access_log/parser.h"

namespace tarn::access_log {
namespace {

std::string ErrorOf(std::string_view text) {
  const auto format = Format::Compile(text);
  return format.ok() ? "" : format.error().message();
}

std::string ColumnsOf(std::string_view text) {
  const auto format = Format::Compile(text);
  if (!format.ok()) return format.error().ToString();
  std::string out;
  for (const auto& field : format->schema().fields) {
    out += (out.empty() ? "" : " ") + field.name + ":" + event::TypeName(field.type);
  }
  return out;
}

TEST(Format, CombinedHasTheStandardColumns) {
  EXPECT_EQ(ColumnsOf("combined"),
            "host:string ident:string user:string time:timestamptz request:string method:string "
            "target:string path:string query:string protocol:string status:int bytes:long "
            "referer:string agent:string");
  EXPECT_EQ(ColumnsOf("vhost_combined").substr(0, 21), "vhost:string port:int");
}

TEST(Format, EveryDirectiveHasItsDocumentedColumn) {
  EXPECT_EQ(ColumnsOf("%A %B %D %f %h %H %k %l %L %m"),
            "host:string ident:string method:string protocol:string bytes:long "
            "local_address:string duration_us:long file:string keepalive_requests:long "
            "error_log_id:string");
  EXPECT_EQ(ColumnsOf("%h %a %{c}a %b %O %I %S %^FB %X"),
            "host:string bytes:long address:string peer:string bytes_out:long bytes_in:long "
            "bytes_total:long first_byte_us:long connection:string");
  EXPECT_EQ(ColumnsOf(R"(%p %{canonical}p %{local}p %{remote}p %P %{pid}P %{tid}P %R %v %V %T)"),
            "vhost:string port:int local_port:int remote_port:int pid:long tid:long "
            "handler:string server_name:string duration_s:long");
  EXPECT_EQ(
      ColumnsOf(R"("%{id}C" "%{HOME}e" "%{X-Trace-Id}i" "%{ssl}n" "%{ETag}o" %{hextid}P %{ms}T)"),
      "cookie_id:string env_home:string header_x_trace_id:string note_ssl:string "
      "response_header_etag:string tid:long duration_ms:long");
  EXPECT_EQ(ColumnsOf("%{end:%s}t %{begin:usec}t"), "time:timestamptz end_time:timestamptz");
  EXPECT_EQ(ColumnsOf("%U%q"), "target:string path:string query:string");
  EXPECT_EQ(ColumnsOf("%<s %s %>s"), "status:int original_status:int");
}

TEST(Format, DirectivesOfModSslAndTrailersHaveTheirColumns) {
  EXPECT_EQ(ColumnsOf(R"(%{SSL_PROTOCOL}x %{SSL_CIPHER}x "%{SSL_CLIENT_S_DN_CN}x" %{HTTPS}x)"),
            "ssl_protocol:string ssl_cipher:string ssl_client_s_dn_cn:string ssl_https:string");
  EXPECT_EQ(ColumnsOf("%{version}c %{cipher}c %{subjectdn}c %{issuerdn}c %{errcode}c %{errstr}c"),
            "ssl_protocol:string ssl_cipher:string ssl_client_s_dn:string ssl_client_i_dn:string "
            "ssl_errcode:string ssl_errstr:string");
  EXPECT_EQ(ColumnsOf("%{clientcert}c %{cacert}c"),
            "ssl_client_s_dn:string ssl_client_i_dn:string");
  EXPECT_EQ(ColumnsOf(R"("%{X-Sum}^ti" "%{X-Sum}^to" %^FB)"),
            "trailer_x_sum:string response_trailer_x_sum:string first_byte_us:long");
  EXPECT_EQ(ErrorOf("%h %x"),
            "log format, position 4: Apache has no %x without an argument: %{NAME}x");
  EXPECT_EQ(ErrorOf("%c"),
            "log format, position 1: Apache has no %c without an argument: %{NAME}c");
  EXPECT_EQ(ErrorOf("%^ti"), "log format, position 1: %^ti needs a name: %{NAME}^ti");
  EXPECT_EQ(ErrorOf("%{Foo}^tu"),
            "log format, position 7: there is no directive %^tu; known are ^FB, {NAME}^ti and "
            "{NAME}^to");
  EXPECT_EQ(ErrorOf("%{verson}c"),
            "log format, position 1: %{verson}c is unknown; did you mean '%{version}c'?");
}

TEST(Format, BeginAndEndAloneAreTimesOfTheUsualForm) {
  EXPECT_EQ(ColumnsOf("%{begin}t %{end}t"), "time:timestamptz end_time:timestamptz");
  EXPECT_EQ(ColumnsOf("%{begin:}t %{end:}t"), "time:timestamptz end_time:timestamptz");
}

TEST(Format, AnErrorNamesThePositionAndWhatIsNear) {
  EXPECT_EQ(ErrorOf("combine"), "'combine' is no log format; did you mean 'combined'?");
  EXPECT_NE(ErrorOf("xyzzyplugh").find("known are common"), std::string::npos);
  EXPECT_EQ(ErrorOf("%h %F"),
            "log format, position 4: there is no directive %F; did you mean '%f'?");
  EXPECT_EQ(ErrorOf("%h %i"), "log format, position 4: %i needs a name: %{NAME}i");
  EXPECT_EQ(ErrorOf("%{NAME}I"), "log format, position 1: %I takes no {argument}");
  EXPECT_EQ(ErrorOf("%{NAME}N"),
            "log format, position 1: there is no directive %N; did you mean '%{NAME}n'?");
  EXPECT_EQ(ErrorOf("%h %{X"), "log format, position 5: '{' has no '}'");
  EXPECT_EQ(ErrorOf("%h %"), "log format, position 4: the format ends inside a directive");
  EXPECT_EQ(ErrorOf("%{remot}p"),
            "log format, position 1: %{remot}p is unknown; did you mean '%{remote}p'?");
  EXPECT_NE(ErrorOf("%{%Q}t").find("position 1: %Q in %{%Q}t cannot be read"), std::string::npos);
  EXPECT_NE(ErrorOf("%v%h").find("nothing separates %v from %h"), std::string::npos);
  EXPECT_NE(ErrorOf("%%"), "");
  EXPECT_NE(ErrorOf(""), "");
  EXPECT_NE(ErrorOf("json:a:strng").find("did you mean 'string'?"), std::string::npos);
  EXPECT_NE(ErrorOf("json:a=,b").find("column 'a' has no key behind its '='"), std::string::npos);
  EXPECT_NE(ErrorOf("csv:a,a").find("named twice"), std::string::npos);
  EXPECT_NE(ErrorOf("csv:a b").find("no column name"), std::string::npos);
  EXPECT_NE(ErrorOf("regex:(").find("regular expression"), std::string::npos);
  EXPECT_NE(ErrorOf("regex:(x)").find("no named group"), std::string::npos);
}

TEST(Format, ALineOfApachesConfigurationIsItsFormat) {
  const std::string combined = ColumnsOf("combined");
  EXPECT_EQ(ColumnsOf(R"(LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" )"
                      R"(\"%{User-Agent}i\"" combined)"),
            combined);
  const auto format = Format::Compile(R"(  logformat '%h "%r" it\'s %s\t%b' mine )");
  ASSERT_TRUE(format.ok()) << format.error().ToString();
  EXPECT_EQ(format->text(), R"(  logformat '%h "%r" it\'s %s\t%b' mine )");
  Parser parser(*format);
  std::string_view reason;
  EXPECT_TRUE(parser.Check("::1 \"GET /\" it's 200\t5", reason)) << reason;
  EXPECT_EQ(ColumnsOf(R"(CustomLog "logs/access log" "%h \"%r\"" env=!image)"),
            ColumnsOf(R"(%h "%r")"));
  EXPECT_EQ(ErrorOf(R"(LogFormat "%h %F" mine)"),
            "log format, position 4: there is no directive %F; did you mean '%f'?");
}

TEST(Format, ACsvHeaderLineNamesTheColumns) {
  const auto format = Format::FromCsvHeader("host,\"status\",Trace Id\r\n", ',');
  ASSERT_TRUE(format.ok());
  EXPECT_EQ(format->text(), "csv:host,status,Trace_Id");
  EXPECT_FALSE(Format::FromCsvHeader("a,b", ';').ok());
}

}  // namespace
}  // namespace tarn::access_log
