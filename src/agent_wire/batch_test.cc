#include "agent_wire/batch.h"

#include "base/bytes.h"

namespace tarn::agent_wire {
namespace {

BatchHeader Sample(size_t payload_bytes) {
  BatchHeader header;
  header.agent_id = "a1";
  header.batch_number = 7;
  header.host = "web-1";
  header.source = "shop";
  header.path = "/l/a.log";
  header.file_id = "f00d";
  header.format = "combined";
  header.begin_offset = 300;
  header.end_offset = 300 + payload_bytes;
  header.line_count = 2;
  header.read_time = {1'795'525'200'000'000};
  return header;
}

TEST(Batch, DecodesToWhatWasEncoded) {
  codec::ZstdCompressor compressor;
  const std::string payload = "GET /\nGET /cart\n";
  BatchHeader header = Sample(payload.size());
  const std::string bytes = Encode(header, payload, compressor).value();
  const Batch batch = Decode(bytes).value();
  EXPECT_EQ(batch.header, header);
  EXPECT_EQ(batch.payload, payload);
  EXPECT_EQ(DecodeHeader(bytes).value(), header);
  header.cut = true;
  header.record_ends = {6, 16};
  header.line_begin = 5;
  EXPECT_EQ(Decode(Encode(header, payload, compressor).value()).value().header, header);
}

// docs/formats/agent-batch.md shows these bytes.
TEST(Batch, BytesAreThoseOfTheFormatPage) {
  codec::ZstdCompressor compressor;
  const std::string payload = "GET /\nGET /cart\n";
  const std::string bytes = Encode(Sample(payload.size()), payload, compressor).value();
  EXPECT_EQ(ToHex(bytes),
            "54424154010000003400000019000000100000000b1b5fcd50c04a5f02613105"
            "7765622d310473686f70082f6c2f612e6c6f67046630306408636f6d62696e65"
            "6407ac02bc02020034bb49056106000028b52ffd2010810000474554202f0a47"
            "4554202f636172740a");
}

TEST(Batch, EveryFlippedBitAndEveryCutIsRefused) {
  codec::ZstdCompressor compressor;
  const std::string payload = "GET /\nGET /cart\n";
  BatchHeader header = Sample(payload.size());
  header.record_ends = {16};
  const std::string bytes = Encode(header, payload, compressor).value();
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string broken = bytes;
    broken[i / 8] = static_cast<char>(broken[i / 8] ^ (1 << (i % 8)));
    const auto batch = Decode(broken);
    // A bit of the zstd frame header may be free to change; the payload is then still the same.
    if (batch.ok()) {
      EXPECT_EQ(batch->payload, payload);
      EXPECT_EQ(batch->header, header);
    }
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Decode(std::string_view(bytes).substr(0, size)).ok());
  }
  EXPECT_FALSE(Decode(bytes + "x").ok());
}

TEST(Batch, LaterVersionIsUnsupported) {
  codec::ZstdCompressor compressor;
  std::string bytes = Encode(Sample(2), "a\n", compressor).value();
  bytes[4] = 2;
  EXPECT_EQ(Decode(bytes).error().code(), Code::kUnsupported);
}

TEST(Batch, EncodeRefusesWhatDecodeWould) {
  codec::ZstdCompressor compressor;
  EXPECT_EQ(Encode(Sample(0), "", compressor).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(Encode(Sample(3), "a\n", compressor).error().code(), Code::kInvalidArgument);
  BatchHeader header = Sample(2);
  header.record_ends = {1};
  EXPECT_FALSE(Encode(header, "a\n", compressor).ok());
  header.record_ends = {2, 2};
  EXPECT_FALSE(Encode(header, "a\n", compressor).ok());
  header = Sample(2);
  header.host.clear();
  EXPECT_FALSE(Encode(header, "a\n", compressor).ok());
  header = Sample(2);
  header.line_begin = header.begin_offset;
  EXPECT_FALSE(Encode(header, "a\n", compressor).ok());
  header = Sample(2);
  header.path.assign(kMaxNameBytes + 1, 'p');
  EXPECT_EQ(Encode(header, "a\n", compressor).error().code(), Code::kResourceExhausted);
  const std::string large(kMaxPayloadBytes + 1, 'x');
  EXPECT_EQ(Encode(Sample(large.size()), large, compressor).error().code(),
            Code::kResourceExhausted);
}

TEST(Batch, HasSoManyRowsAndNoMore) {
  Batch batch;
  batch.payload = std::string(kMaxRows, '\n');
  EXPECT_TRUE(CheckRows(batch).ok());
  batch.payload += '\n';
  EXPECT_EQ(CheckRows(batch).error().code(), Code::kResourceExhausted);
  batch.header.record_ends = {1, 2};
  EXPECT_TRUE(CheckRows(batch).ok());
  batch.header.record_ends.assign(kMaxRows + 1, 1);
  EXPECT_FALSE(CheckRows(batch).ok());
}

TEST(Batch, LargestBatchFitsTheStatedBound) {
  codec::ZstdCompressor compressor;
  std::string payload(kMaxPayloadBytes, '\0');
  uint64_t state = 1;
  for (char& c : payload) {  // incompressible
    state = state * 6364136223846793005U + 1442695040888963407U;
    c = static_cast<char>(state >> 56);
  }
  const std::string bytes = Encode(Sample(payload.size()), payload, compressor).value();
  EXPECT_LE(bytes.size(), kMaxBatchBytes);
  EXPECT_TRUE(Decode(bytes).value().payload == payload);
}

}  // namespace
}  // namespace tarn::agent_wire
