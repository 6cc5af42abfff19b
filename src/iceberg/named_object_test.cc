#include "iceberg/named_object.h"

#include <gtest/gtest.h>

#include "iceberg/memory_store_test.h"

namespace tarn::iceberg {
namespace {

constexpr std::string_view kBytes = "an object's bytes";

Result<std::string> Get(const std::string& name, std::string_view bytes) {
  MemoryStore store;
  EXPECT_TRUE(store.Put("t/" + name, bytes).ok());
  return GetNamed(store, store.UrlOf("t/" + name));
}

TEST(NamedObject, OtherBytesThanItsNameSaysAreDamage) {
  for (const std::string_view extension : {".metadata.json", ".avro"}) {
    const std::string name = NameWithHash("snap-1", extension, kBytes);
    EXPECT_EQ(name.size(), std::string("snap-1.0123456789abcdef").size() + extension.size());
    EXPECT_EQ(Get(name, kBytes).value(), kBytes);
    const auto damaged = Get(name, "an object's bytez");
    EXPECT_EQ(damaged.error().code(), Code::kDataLoss);
    EXPECT_NE(damaged.error().message().find(name), std::string::npos);
    EXPECT_EQ(Get(name, "").error().code(), Code::kDataLoss);
  }
}

TEST(NamedObject, MissingOneIsNamed) {
  const MemoryStore store;
  const auto missing = GetNamed(store, store.UrlOf("t/a.avro"));
  EXPECT_EQ(missing.error().code(), Code::kNotFound);
  EXPECT_NE(missing.error().message().find("t/a.avro is missing"), std::string::npos);
}

// Of other engines, or of a Tarn that gave them no hash.
TEST(NamedObject, NameWithoutAHashTakesAnyBytes) {
  for (const char* name : {
           "00001-9c12d441-03fe-4693-9a96-a0705ddf69c1.metadata.json",
           "v2.metadata.json",
           "00001-9c12d441-03fe-4693-9a96-a0705ddf69c1.gz.metadata.json",
           "snap-3051729675574597004-1-9c12d441-03fe-4693-9a96-a0705ddf69c1.avro",
           "m0.0123456789ABCDEF.avro",   // ours are lower case
           "m0.0123456789abcde.avro",    // a digit too few
           "m0.00123456789abcdef.avro",  // a digit too many
           "m0-0123456789abcdef.avro",   // no dot
           "0123456789abcdef.avro",      // nothing before it
           "m0.0123456789abcdef.orc",    // another kind
           ".avro",
           "x",
       }) {
    const auto got = Get(name, kBytes);
    ASSERT_TRUE(got.ok()) << name << ": " << got.error().message();
    EXPECT_EQ(*got, kBytes);
  }
}

}  // namespace
}  // namespace tarn::iceberg
