#include "parquet/file_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "codec/hash.h"
#include "parquet/checksum_internal.h"

namespace tarn::parquet {
namespace {

constexpr std::string_view kMagic = "PAR1";
// Every footer begins with its version: field 1, a number, in Thrift's compact protocol.
constexpr char kFirstField = 0x15;
constexpr size_t kEndBytes = 8;             // the footer's length, then the magic
constexpr uint64_t kTailBytes = 16U << 10;  // most footers are shorter
constexpr uint64_t kPieceBytes = 4U << 20;

struct Footer {
  std::string bytes;  // without length and magic
  uint64_t offset = 0;
};

Result<std::string> ReadExactly(const store::ObjectStore& store, const std::string& key,
                                uint64_t offset, uint64_t size) {
  TARN_ASSIGN_OR_RETURN(std::string bytes, store.GetRange(key, offset, size));
  if (bytes.size() == size) return bytes;
  return DataLoss(fmt::format("it ends at byte {}", offset + bytes.size()));
}

Result<Footer> ReadFooter(const store::ObjectStore& store, const std::string& key, uint64_t size) {
  if (size < kMagic.size() + kEndBytes) return DataLoss("it is too short for a Parquet file");
  const uint64_t tail_bytes = std::min(size, kTailBytes);
  // A byte more is asked for than there should be.
  TARN_ASSIGN_OR_RETURN(std::string tail, store.GetRange(key, size - tail_bytes, tail_bytes + 1));
  if (tail.size() != tail_bytes) {
    TARN_ASSIGN_OR_RETURN(const store::ObjectInfo info, store.Head(key));
    return DataLoss(fmt::format("it has {} bytes where {} were written", info.size, size));
  }
  if (!tail.ends_with(kMagic)) return DataLoss("it does not end as a Parquet file does");
  const uint64_t length = GetFixed<uint32_t>(tail.data() + tail.size() - kEndBytes);
  if (length > size - kMagic.size() - kEndBytes) return DataLoss("its footer's length is wrong");
  Footer footer{.bytes = {}, .offset = size - kEndBytes - length};
  if (length + kEndBytes <= tail_bytes) {
    footer.bytes = tail.substr(tail.size() - kEndBytes - length, length);
  } else {
    TARN_ASSIGN_OR_RETURN(footer.bytes, ReadExactly(store, key, footer.offset, length));
  }
  if (!footer.bytes.starts_with(kFirstField)) return DataLoss("its footer's length is wrong");
  return footer;
}

// nullopt: a file of another writer.
Result<std::optional<Checksum>> CheckedFooter(Footer footer, const ExpectedFile& expected) {
  auto checksum = ReadChecksum(std::move(footer.bytes));
  const bool damaged = checksum ? !checksum->footer_intact : expected.has_checksum;
  if (damaged) return DataLoss("its footer does not match its checksum");
  return checksum;
}

}  // namespace

Status CheckFooter(const store::ObjectStore& store, const ExpectedFile& expected) {
  TARN_ASSIGN_OR_RETURN(Footer footer, ReadFooter(store, expected.key, expected.size));
  TARN_TRY(CheckedFooter(std::move(footer), expected));
  return {};
}

Result<Checked> CheckFile(const store::ObjectStore& store, const ExpectedFile& expected,
                          const std::function<Status()>& go_on) {
  if (go_on) TARN_TRY(go_on());
  TARN_ASSIGN_OR_RETURN(Footer footer, ReadFooter(store, expected.key, expected.size));
  const uint64_t end = footer.offset;
  TARN_ASSIGN_OR_RETURN(const auto checksum, CheckedFooter(std::move(footer), expected));
  if (!checksum) return Checked::kHasNoChecksum;
  codec::Xxh3Stream hash;
  for (uint64_t at = 0; at < end; at += kPieceBytes) {
    if (go_on) TARN_TRY(go_on());
    TARN_ASSIGN_OR_RETURN(const std::string bytes,
                          ReadExactly(store, expected.key, at, std::min(kPieceBytes, end - at)));
    hash.Add(bytes);
  }
  if (fmt::format("{:016x}", hash.Digest()) != checksum->body) {
    return DataLoss("its bytes do not match their checksum");
  }
  return Checked::kEveryByte;
}

}  // namespace tarn::parquet
