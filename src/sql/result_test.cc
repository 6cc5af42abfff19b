#include "sql/test_lake_internal.h"

namespace tarn::sql {
namespace {

class CellTest : public SqlTest {
 protected:
  void ExpectForms(const std::string& expression, std::string_view text, std::string_view json) {
    ExpectAnswer("SELECT " + expression, text);
    const auto got = Ask("SELECT " + expression, true);
    ASSERT_TRUE(got.ok()) << expression << "\n" << got.error().ToString();
    EXPECT_EQ(*got, json) << expression;
  }
  std::string TypeOf(const std::string& expression) {
    auto result = session_->Run("SELECT " + expression);
    EXPECT_TRUE(result.ok()) << expression;
    return result.ok() ? (*result)->columns()[0].type : "";
  }
};

TEST_F(CellTest, PrintsNumbers) {
  ExpectForms("true", "true", "true");
  ExpectForms("(-128)::TINYINT", "-128", "-128");
  ExpectForms("(-32768)::SMALLINT", "-32768", "-32768");
  ExpectForms("255::UTINYINT", "255", "255");
  ExpectForms("65535::USMALLINT", "65535", "65535");
  ExpectForms("4294967295::UINTEGER", "4294967295", "4294967295");
  ExpectForms("(-9223372036854775808)::BIGINT", "-9223372036854775808", "-9223372036854775808");
  ExpectForms("18446744073709551615::UBIGINT", "18446744073709551615", "18446744073709551615");
  ExpectForms("(-170141183460469231731687303715884105728)::HUGEINT",
              "-170141183460469231731687303715884105728",
              "-170141183460469231731687303715884105728");
  ExpectForms("340282366920938463463374607431768211455::UHUGEINT",
              "340282366920938463463374607431768211455", "340282366920938463463374607431768211455");
  ExpectForms("-1.05::DECIMAL(3,2)", "-1.05", "-1.05");
  ExpectForms("-0.05::DECIMAL(9,2)", "-0.05", "-0.05");
  ExpectForms("12345678.5::DECIMAL(18,1)", "12345678.5", "12345678.5");
  ExpectForms("0.00000000000000000001::DECIMAL(38,20)", "0.00000000000000000001",
              "0.00000000000000000001");
  ExpectForms("7::DECIMAL(20,0)", "7", "7");
  ExpectForms("0.1::DOUBLE", "0.1", "0.1");
  ExpectForms("1::DOUBLE", "1.0", "1.0");
  ExpectForms("1e20::DOUBLE", "1e+20", "1e+20");
  ExpectForms("0.1::FLOAT", "0.1", "0.1");
  ExpectForms("'nan'::DOUBLE", "nan", "null");
  ExpectForms("'-inf'::DOUBLE", "-inf", "null");
  ExpectForms("NULL", "", "null");
  ExpectForms("NULL::INTEGER", "", "null");
}

TEST_F(CellTest, PrintsTextAndBytes) {
  ExpectForms("'gr\xc3\xbc\xc3\x9f \"x\"'", "gr\xc3\xbc\xc3\x9f \"x\"",
              "\"gr\xc3\xbc\xc3\x9f \\\"x\\\"\"");
  ExpectForms("'a string of more than twelve bytes'", "a string of more than twelve bytes",
              "\"a string of more than twelve bytes\"");
  ExpectForms("'\\x00\\xFFab'::BLOB", "\\x00\\xFFab", "\"AP9hYg==\"");
  ExpectForms("'abc'::BLOB", "abc", "\"YWJj\"");
  ExpectForms("'10110'::BIT", "10110", "\"10110\"");
  ExpectForms("'b'::ENUM ('a', 'b')", "b", "\"b\"");
  ExpectForms("'01234567-89ab-cdef-0123-456789abcdef'::UUID",
              "01234567-89ab-cdef-0123-456789abcdef", "\"01234567-89ab-cdef-0123-456789abcdef\"");
  ExpectForms("'{\"a\": 1}'::JSON", "{\"a\": 1}", "\"{\\\"a\\\": 1}\"");
}

TEST_F(CellTest, PrintsTimes) {
  ExpectForms("DATE '2026-11-24'", "2026-11-24", "\"2026-11-24\"");
  ExpectForms("DATE '0044-03-15 (BC)'", "0044-03-15 (BC)", "\"0044-03-15 (BC)\"");
  ExpectForms("'infinity'::DATE", "infinity", "\"infinity\"");
  ExpectForms("TIME '13:09:46.5'", "13:09:46.5", "\"13:09:46.5\"");
  ExpectForms("'13:09:46+05:30'::TIMETZ", "13:09:46+05:30", "\"13:09:46+05:30\"");
  ExpectForms("'13:09:46-08'::TIMETZ", "13:09:46-08", "\"13:09:46-08\"");
  ExpectForms("TIMESTAMP '1969-12-31 23:59:59.999999'", "1969-12-31 23:59:59.999999",
              "\"1969-12-31T23:59:59.999999\"");
  ExpectForms("TIMESTAMPTZ '2026-11-24 13:09:46.5+02'", "2026-11-24 11:09:46.5+00",
              "\"2026-11-24T11:09:46.5Z\"");
  ExpectForms("'2026-11-24 13:09:46'::TIMESTAMP_S", "2026-11-24 13:09:46",
              "\"2026-11-24T13:09:46\"");
  ExpectForms("'2026-11-24 13:09:46.123'::TIMESTAMP_MS", "2026-11-24 13:09:46.123",
              "\"2026-11-24T13:09:46.123\"");
  ExpectForms("'2026-11-24 13:09:46.123456789'::TIMESTAMP_NS", "2026-11-24 13:09:46.123456789",
              "\"2026-11-24T13:09:46.123456789\"");
  ExpectForms("'-infinity'::TIMESTAMPTZ", "-infinity", "\"-infinity\"");
  ExpectForms("INTERVAL '14 months 3 days'", "1 year 2 months 3 days",
              "\"1 year 2 months 3 days\"");
  ExpectForms("INTERVAL '-1 day -01:02:03.5'", "-1 day -01:02:03.5", "\"-1 day -01:02:03.5\"");
  ExpectForms("INTERVAL '0 days'", "00:00:00", "\"00:00:00\"");
}

TEST_F(CellTest, PrintsNestedValues) {
  ExpectForms("[1, NULL, 3]", "[1, NULL, 3]", "[1,null,3]");
  ExpectForms("[]::INTEGER[]", "[]", "[]");
  ExpectForms("[[1], [2, 3]]", "[[1], [2, 3]]", "[[1],[2,3]]");
  ExpectForms("['it''s']", "['it''s']", "[\"it's\"]");
  ExpectForms("[1, 2]::INTEGER[2]", "[1, 2]", "[1,2]");
  ExpectForms("{'a': 1, 'b c': 'x'}", "{'a': 1, 'b c': 'x'}", "{\"a\":1,\"b c\":\"x\"}");
  ExpectForms("MAP {'k': 1, 'l': NULL}", "{'k'=1, 'l'=NULL}", "{\"k\":1,\"l\":null}");
  ExpectForms("MAP {1: 'x'}", "{1='x'}", "[{\"key\":1,\"value\":\"x\"}]");
  ExpectForms("union_value(num := 2)", "2", "2");
  ExpectForms("[{'d': DATE '2026-01-01', 'l': [1.5]}]", "[{'d': 2026-01-01, 'l': [1.5]}]",
              "[{\"d\":\"2026-01-01\",\"l\":[1.5]}]");
}

TEST_F(CellTest, ReadsNestedValuesInLaterRows) {
  ExpectAnswer(
      "SELECT [i, i + 1], {'a': i}, [i, i]::BIGINT[2], MAP {i: 'v' || i} "
      "FROM range(3) t(i)",
      "[0, 1]|{'a': 0}|[0, 0]|{0='v0'}\n[1, 2]|{'a': 1}|[1, 1]|{1='v1'}\n"
      "[2, 3]|{'a': 2}|[2, 2]|{2='v2'}");
}

TEST_F(CellTest, NamesTypesAsDuckdbDoes) {
  EXPECT_EQ(TypeOf("1"), "INTEGER");
  EXPECT_EQ(TypeOf("1.5"), "DECIMAL(2,1)");
  EXPECT_EQ(TypeOf("now()"), "TIMESTAMP WITH TIME ZONE");
  EXPECT_EQ(TypeOf("[1.5]"), "DECIMAL(2,1)[]");
  EXPECT_EQ(TypeOf("[1, 2]::INTEGER[2]"), "INTEGER[2]");
  EXPECT_EQ(TypeOf("MAP {'a': 1}"), "MAP(VARCHAR, INTEGER)");
  EXPECT_EQ(TypeOf("'{}'::JSON"), "JSON");
  EXPECT_EQ(TypeOf("'a'::ENUM ('a', 'b')"), "ENUM('a', 'b')");
}

TEST_F(CellTest, HasTypedValues) {
  auto result = session_->Run("SELECT 5::SMALLINT, 1.25::DECIMAL(10,2), 'x', 2.5::FLOAT, true");
  ASSERT_TRUE(result.ok());
  const Chunk* chunk = (*result)->Next().value();
  ASSERT_NE(chunk, nullptr);
  EXPECT_EQ(chunk->At(0, 0).Int(), 5);
  EXPECT_EQ(static_cast<int64_t>(chunk->At(1, 0).Huge()), 125);
  EXPECT_EQ((*result)->columns()[1].scale, 2);
  EXPECT_EQ(chunk->At(2, 0).Bytes(), "x");
  EXPECT_EQ(chunk->At(3, 0).Double(), 2.5);
  EXPECT_TRUE(chunk->At(4, 0).Bool());
}

TEST_F(CellTest, RefusesTypesWithoutAForm) {
  ExpectError("SELECT 5::BIGNUM AS big", Code::kUnsupported, "'big'");
  ExpectAnswer("SELECT 5::BIGNUM::VARCHAR", "5");
}

}  // namespace
}  // namespace tarn::sql
