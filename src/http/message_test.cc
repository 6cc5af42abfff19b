#include "http/message.h"

#include <gtest/gtest.h>

#include "http/router.h"
#include "http/wire.h"

namespace tarn::http {
namespace {

Request WithTarget(std::string target) {
  Request request;
  request.target = std::move(target);
  return request;
}

TEST(Headers, FindsTheFirstOfANameWithoutCase) {
  Headers headers;
  headers.Add("Content-Type", "a");
  headers.Add("content-type", "b");
  headers.Add("Empty", "");
  EXPECT_EQ(headers.Find("CONTENT-TYPE"), "a");
  EXPECT_EQ(headers.Count("Content-Type"), 2U);
  EXPECT_EQ(headers.Find("Empty"), "");
  EXPECT_EQ(headers.Find("Content"), std::nullopt);
  headers.Reset();
  EXPECT_EQ(headers.size(), 0U);
}

TEST(Request, SplitsTargetAndDecodesQuery) {
  const Request request = WithTarget("/a%20b?q=1+2%2B3&empty=&flag&&q=second&%6B=v");
  EXPECT_EQ(request.path(), "/a%20b");
  EXPECT_EQ(request.QueryParam("q"), "1 2+3");
  EXPECT_EQ(request.QueryParam("empty"), "");
  EXPECT_EQ(request.QueryParam("flag"), "");
  EXPECT_EQ(request.QueryParam("k"), "v");
  EXPECT_EQ(request.QueryParam("absent"), std::nullopt);
  EXPECT_EQ(request.QueryParams()->size(), 5U);
  EXPECT_EQ(WithTarget("/a").query(), "");
}

TEST(Request, RefusesBrokenPercentEncoding) {
  for (const auto* query : {"%", "%1", "%zz", "a=%00", "%2"}) {
    const Request request = WithTarget("/?" + std::string(query));
    EXPECT_EQ(request.QueryParams().error().code(), Code::kInvalidArgument) << query;
    EXPECT_EQ(request.QueryParam("a"), std::nullopt);
  }
}

TEST(PercentEncode, ReadsBackWhatItWrote) {
  std::string all;
  for (int c = 1; c < 256; ++c) all.push_back(static_cast<char>(c));
  EXPECT_EQ(PercentDecode(PercentEncode(all)), all);
  EXPECT_EQ(PercentEncode("a/b c~"), "a%2Fb%20c~");
  EXPECT_EQ(PercentDecode("a+b"), "a+b");
}

TEST(ErrorResponse, CarriesStatusRetryAndJson) {
  const Response busy = ErrorResponse(Unavailable("journal full"));
  EXPECT_EQ(busy.status, 503);
  EXPECT_EQ(busy.headers.Find("Retry-After"), "1");
  EXPECT_EQ(busy.body, "{\"error\":{\"code\":\"Unavailable\",\"message\":\"journal full\"}}\n");
  EXPECT_EQ(ErrorResponse(NotFound("x")).headers.size(), 0U);
}

TEST(Router, PrefersExactThenTheLongestPrefix) {
  Router router;
  const auto receiver = [](Request&&, Responder) {};
  router.Prefix(Method::kGet, "/", receiver, {.max_body_bytes = 1});
  router.Prefix(Method::kGet, "/v1/tables/", receiver, {.max_body_bytes = 3});
  router.Prefix(Method::kGet, "/v1/", receiver, {.max_body_bytes = 2});
  router.Exact(Method::kPost, "/v1/ingest", receiver, {.max_body_bytes = 4});
  router.Exact(Method::kHead, "/v1/ingest", receiver, {.max_body_bytes = 5});
  std::string allowed;
  const auto size = [&](Method method, std::string_view path) {
    const auto* route = router.Find(method, path, &allowed);
    return route != nullptr ? route->options.max_body_bytes : 0;
  };
  EXPECT_EQ(size(Method::kGet, "/x"), 1U);
  EXPECT_EQ(size(Method::kGet, "/v1/x"), 2U);
  EXPECT_EQ(size(Method::kGet, "/v1/tables/a"), 3U);
  EXPECT_EQ(size(Method::kHead, "/v1/tables/a"), 3U);
  EXPECT_EQ(size(Method::kPost, "/v1/ingest"), 4U);
  EXPECT_EQ(size(Method::kHead, "/v1/ingest"), 5U);
  EXPECT_EQ(size(Method::kGet, "/v1/ingest"), 0U);
  EXPECT_EQ(allowed, "HEAD, POST");
  EXPECT_EQ(size(Method::kPost, "*"), 0U);
  EXPECT_EQ(allowed, "");
}

TEST(DateLine, KnowsTheWeekday) {
  EXPECT_EQ(DateLine({0}), "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
  EXPECT_EQ(DateLine({784'111'777'000'000}), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
}

}  // namespace
}  // namespace tarn::http
