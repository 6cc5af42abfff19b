#include "journal/segment.h"

#include "base/bytes.h"
#include "codec/hash.h"
#include "os/sim_file_system.h"

namespace tarn::journal {
namespace {

// The example of docs/formats/journal.md, byte for byte.
TEST(Segment, IsWrittenAsTheFormatPageShows) {
  os::SimFileSystem files(1);
  const SegmentHeader header{.number = 17, .salt = 0x1122334455667788, .first = 42, .bytes = 8'192};
  auto file = files.Open("/s", os::OpenMode::kCreate).value();
  ASSERT_TRUE(file->WriteAt(0, EncodeSegmentHeader(header)).ok());
  SegmentWriter writer(std::move(file), header, EmptyTail(header), 0x0123456789abcdef);
  for (const std::vector<std::string>& batch :
       {std::vector<std::string>{"hello"}, std::vector<std::string>{"a batch", "of two"}}) {
    for (const std::string& record : batch)
      ASSERT_TRUE(writer.Add(record, codec::Crc32c(record)).ok());
    ASSERT_TRUE(writer.Sync().ok());
  }
  const std::string bytes = files.ReadFile("/s").value();
  EXPECT_EQ(ToHex(bytes.substr(0, 48)),
            "5441524e4a524e4c010000000e1023cd11000000000000008877665544332211"
            "2a000000000000000020000000000000");
  EXPECT_EQ(ToHex(bytes.substr(4'096)),
            "667aa27a050000002a000000000000000e1023cd00100000efcdab896745230168656c6c6f000000"
            "b9910d64070000002b00000000000000667aa27a28100000efcdab89674523016120626174636800"
            "7bad93f5060000002c00000000000000b9910d6428100000efcdab89674523016f662074776f0000");
  EXPECT_EQ(ParseSegmentHeader(bytes)->first, 42U);
}

TEST(Segment, HeaderWithAnyBitFlippedIsRefused) {
  const std::string good =
      EncodeSegmentHeader({.number = 1, .salt = 2, .first = 3, .bytes = 8'192});
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(ParseSegmentHeader(bad).ok()) << bit;
  }
  EXPECT_FALSE(ParseSegmentHeader(good.substr(0, 47)).ok());
}

TEST(Segment, RecordWithAnyBitFlippedIsNotARecord) {
  const SegmentHeader header{.number = 1, .salt = 2, .first = 3, .bytes = 8'192};
  os::SimFileSystem files(1);
  auto file = files.Open("/s", os::OpenMode::kCreate).value();
  SegmentWriter writer(std::move(file), header, EmptyTail(header), 5);
  ASSERT_TRUE(writer.Add("payload", codec::Crc32c("payload")).ok() && writer.Sync().ok());
  const std::string good = files.ReadFile("/s").value();
  for (size_t bit = 0; bit < (kRecordHeaderBytes + 7) * 8; ++bit) {
    std::string bad = good;
    char& byte = bad[kSegmentHeaderBytes + bit / 8];
    byte = static_cast<char>(byte ^ (1 << (bit % 8)));
    files.Damage("/s", 0, bad);
    const auto again = files.Open("/s", os::OpenMode::kRead).value();
    SegmentScanner scanner(*again, header);
    EXPECT_FALSE(scanner.Next(header.bytes).value().has_value()) << bit;
  }
}

// A server that was started and stopped before anything arrived.
TEST(Segment, EndOfAnEmptyPreallocatedSegmentIsFoundInOnePass) {
  const SegmentHeader header{.number = 0, .salt = 2, .first = 0, .bytes = 4U << 20};
  os::SimFileSystem files(1);
  auto file = files.Open("/s", os::OpenMode::kCreate).value();
  ASSERT_TRUE(file->WriteAt(0, EncodeSegmentHeader(header)).ok());
  ASSERT_TRUE(file->WriteAt(header.bytes - 1, std::string(1, '\0')).ok());
  const uint64_t before = files.CountOf(os::SimFileSystem::Call::kRead);
  const SegmentEnd end = FindEnd(*file, header).value();
  EXPECT_EQ(end.next_after, 0U);
  EXPECT_FALSE(end.damaged);
  EXPECT_LT(files.CountOf(os::SimFileSystem::Call::kRead) - before, 40U);
}

TEST(Segment, LargeRecordsAreWrittenBetweenSmallOnes) {
  const SegmentHeader header{.number = 1, .salt = 2, .first = 0, .bytes = 8U << 20};
  os::SimFileSystem files(1);
  auto file = files.Open("/s", os::OpenMode::kCreate).value();
  SegmentWriter writer(std::move(file), header, EmptyTail(header), 5);
  std::vector<std::string> records;
  for (const size_t size : {3U, 700'001U, 0U, 262'144U, 262'143U, 1'100'003U, 5U})
    records.emplace_back(size, static_cast<char>('a' + records.size()));
  for (const std::string& record : records)
    ASSERT_TRUE(writer.Add(record, codec::Crc32c(record)).ok());
  ASSERT_TRUE(writer.Sync().ok());
  const auto again = files.Open("/s", os::OpenMode::kRead).value();
  SegmentScanner scanner(*again, header);
  for (const std::string& record : records)
    EXPECT_EQ(scanner.Next(header.bytes).value()->bytes, record);
  EXPECT_FALSE(scanner.Next(header.bytes).value().has_value());
}

// Counts the bytes that are read.
class CountedFile final : public os::File {
 public:
  explicit CountedFile(std::unique_ptr<os::File> file) : file_(std::move(file)) {}
  Result<std::string> ReadAt(uint64_t offset, size_t size) const override {
    read += size;
    return file_->ReadAt(offset, size);
  }
  Result<size_t> ReadInto(uint64_t offset, std::span<char> buffer) const override {
    read += buffer.size();
    return file_->ReadInto(offset, buffer);
  }
  Status WriteAt(uint64_t offset, std::string_view bytes) override {
    return file_->WriteAt(offset, bytes);
  }
  Status Sync() override { return file_->Sync(); }
  Status Preallocate(uint64_t size) override { return file_->Preallocate(size); }
  Status Truncate(uint64_t size) override { return file_->Truncate(size); }
  Result<uint64_t> Size() const override { return file_->Size(); }

  mutable uint64_t read = 0;

 private:
  const std::unique_ptr<os::File> file_;
};

// A sender knows the format: behind a torn tail its bytes may claim to be any number of records, of
// any length.
TEST(Segment, BytesThatLookLikeManyLongRecordsCostLittle) {
  constexpr uint64_t kBytes = 4 << 20;
  const SegmentHeader header{.number = 1, .salt = 2, .first = 3, .bytes = kBytes};
  os::SimFileSystem files(1);
  auto file = files.Open("/s", os::OpenMode::kCreate).value();
  ASSERT_TRUE(file->Preallocate(kBytes).ok());
  std::string hostile;
  while (hostile.size() < kBytes - 2 * kSegmentHeaderBytes) {
    PutFixed<uint32_t>(hostile, 0x12345678);
    PutFixed<uint32_t>(hostile, static_cast<uint32_t>((kBytes - hostile.size()) / 2));
    PutFixed<uint64_t>(hostile, 100);
    PutFixed<uint32_t>(hostile, 0);
    PutFixed<uint32_t>(hostile, kSegmentHeaderBytes);
    PutFixed<uint64_t>(hostile, 7);
  }
  ASSERT_TRUE(file->WriteAt(kSegmentHeaderBytes + 64, hostile).ok());
  const CountedFile counted(std::move(file));
  const auto end = FindEnd(counted, header);
  ASSERT_TRUE(end.ok());
  EXPECT_FALSE(end->damaged);
  EXPECT_EQ(end->next_after, 3U);
  const uint64_t records = hostile.size() / kRecordHeaderBytes;
  EXPECT_LT(counted.read, 4 * kBytes + records * 1'024) << "bytes read";
}

}  // namespace
}  // namespace tarn::journal
