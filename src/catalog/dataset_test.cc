#include "catalog/dataset.h"

namespace tarn::catalog {
namespace {

TEST(DatasetName, ReadsWhatItPrints) {
  for (const char* text : {"raw.web_access", "clean.a", "curated._x-1", "system.audit"}) {
    const auto name = ParseDatasetName(text);
    ASSERT_TRUE(name.ok()) << text;
    EXPECT_EQ(name->ToString(), text);
  }
}

TEST(DatasetName, SaysWhatIsWrong) {
  EXPECT_EQ(ParseDatasetName("web_log").error().message(),
            "dataset 'web_log': write the zone first, as in clean.web_log");
  EXPECT_EQ(ParseDatasetName("claen.x").error().message(),
            "'claen' is no zone; did you mean 'clean'?");
  for (const char* text : {"raw.", "raw.1a", "raw.a.b", "raw.a b", "raw.\xff", ".a", ""}) {
    EXPECT_FALSE(ParseDatasetName(text).ok()) << text;
  }
  EXPECT_TRUE(ParseDatasetName("raw." + std::string(128, 'a')).ok());
  EXPECT_FALSE(ParseDatasetName("raw." + std::string(129, 'a')).ok());
}

}  // namespace
}  // namespace tarn::catalog
