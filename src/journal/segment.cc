#include "journal/segment.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/bytes.h"
#include "base/check.h"
#include "codec/hash.h"

namespace tarn::journal {
namespace {

constexpr std::string_view kMagic = "TARNJRNL";
constexpr uint32_t kVersion = 1;
constexpr size_t kEncodedHeaderBytes = 48;
constexpr size_t kHeaderChecksumAt = 12;
// A buffer this full is written out; a payload this large is written without being copied.
constexpr size_t kFlushBytes = 1U << 20;
constexpr size_t kDirectBytes = 256U << 10;
constexpr uint64_t kSumBytes = 512;
constexpr uint64_t kWindowBytes = 256U << 10;

template <typename T>
std::string_view BytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// The checksum covers the segment's salt, the record's header behind the checksum, and the payload.
uint32_t RecordChecksum(uint64_t salt, std::string_view header, uint32_t payload_crc) {
  const uint32_t crc = codec::Crc32c(header.substr(sizeof(uint32_t)), codec::Crc32c(BytesOf(salt)));
  return codec::Crc32c(BytesOf(payload_crc), crc);
}

uint32_t HeaderChecksum(std::string_view encoded) {
  return codec::Crc32c(encoded.substr(kHeaderChecksumAt + sizeof(uint32_t),
                                      kEncodedHeaderBytes - kHeaderChecksumAt - sizeof(uint32_t)),
                       codec::Crc32c(encoded.substr(0, kHeaderChecksumAt)));
}

}  // namespace

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string bytes(kMagic);
  PutFixed(bytes, kVersion);
  PutFixed(bytes, uint32_t{0});
  PutFixed(bytes, header.number);
  PutFixed(bytes, header.salt);
  PutFixed(bytes, header.first);
  PutFixed(bytes, header.bytes);
  const uint32_t checksum = HeaderChecksum(bytes);
  bytes.replace(kHeaderChecksumAt, sizeof checksum, BytesOf(checksum));
  return bytes;
}

uint32_t ChecksumOf(const SegmentHeader& header) {
  return GetFixed<uint32_t>(EncodeSegmentHeader(header).data() + kHeaderChecksumAt);
}

Result<SegmentHeader> ParseSegmentHeader(std::string_view bytes) {
  if (bytes.size() < kEncodedHeaderBytes) return DataLoss("the segment's header is cut off");
  if (!bytes.starts_with(kMagic)) return DataLoss("the segment's header is not one");
  // First the checksum, which every version has there: a damaged version is no newer one.
  if (GetFixed<uint32_t>(bytes.data() + kHeaderChecksumAt) != HeaderChecksum(bytes))
    return DataLoss("the segment's header has a bad checksum");
  const auto version = GetFixed<uint32_t>(bytes.data() + kMagic.size());
  if (version != kVersion) {
    return Unsupported("the segment has format version " + std::to_string(version) +
                       "; this program reads version 1");
  }
  const char* fields = bytes.data() + kHeaderChecksumAt + sizeof(uint32_t);
  return SegmentHeader{.number = GetFixed<uint64_t>(fields),
                       .salt = GetFixed<uint64_t>(fields + 8),
                       .first = GetFixed<uint64_t>(fields + 16),
                       .bytes = GetFixed<uint64_t>(fields + 24)};
}

Result<SegmentHeader> ReadSegmentHeader(const os::File& file) {
  TARN_ASSIGN_OR_RETURN(const std::string bytes, file.ReadAt(0, kSegmentHeaderBytes));
  return ParseSegmentHeader(bytes);
}

Tail EmptyTail(const SegmentHeader& header) {
  return {.offset = kSegmentHeaderBytes,
          .next = header.first,
          .previous = ChecksumOf(header),
          .batch_offset = kSegmentHeaderBytes};
}

SegmentWriter::SegmentWriter(std::unique_ptr<os::File> file, const SegmentHeader& header,
                             const Tail& tail, uint64_t epoch)
    : file_(std::move(file)), header_(header), epoch_(epoch), tail_(tail), flushed_(tail.offset) {
  tail_.batch_offset = tail_.offset;
}

Status SegmentWriter::Add(std::string_view payload, uint32_t payload_crc) {
  TARN_CHECK(Fits(payload.size()));
  std::string header;
  PutFixed(header, uint32_t{0});
  PutFixed(header, static_cast<uint32_t>(payload.size()));
  PutFixed(header, tail_.next);
  PutFixed(header, tail_.previous);
  PutFixed(header, static_cast<uint32_t>(tail_.batch_offset));
  PutFixed(header, epoch_);
  const uint32_t checksum = RecordChecksum(header_.salt, header, payload_crc);
  buffer_.append(BytesOf(checksum)).append(header, sizeof checksum);
  if (payload.size() >= kDirectBytes) {
    TARN_TRY(Flush());
    TARN_TRY(file_->WriteAt(flushed_, payload));
    flushed_ += payload.size();
  } else {
    buffer_.append(payload);
  }
  const uint64_t stored = StoredBytes(payload.size());
  buffer_.append(stored - kRecordHeaderBytes - payload.size(), '\0');
  tail_.offset += stored;
  tail_.next += 1;
  tail_.previous = checksum;
  if (buffer_.size() >= kFlushBytes) return Flush();
  return {};
}

Status SegmentWriter::Flush() {
  if (buffer_.empty()) return {};
  TARN_TRY(file_->WriteAt(flushed_, buffer_));
  flushed_ += buffer_.size();
  buffer_.clear();
  return {};
}

Status SegmentWriter::Sync() {
  TARN_TRY(Flush());
  TARN_TRY(file_->Sync());
  tail_.batch_offset = tail_.offset;
  return {};
}

SegmentScanner::SegmentScanner(const os::File& file, const SegmentHeader& header)
    : file_(file), header_(header), tail_(EmptyTail(header)) {}

Result<std::string_view> SegmentScanner::Load(uint64_t offset, uint64_t size, uint64_t limit) {
  if (offset < window_offset_ || offset + size > window_offset_ + window_bytes_) {
    const uint64_t wanted = std::max(size, std::min(kWindowBytes, limit - offset));
    if (window_.size() < wanted) window_.resize(wanted);
    window_bytes_ = 0;
    TARN_ASSIGN_OR_RETURN(window_bytes_,
                          file_.ReadInto(offset, std::span<char>(window_.data(), wanted)));
    window_offset_ = offset;
  }
  return std::string_view(window_.data(), window_bytes_).substr(offset - window_offset_, size);
}

Result<std::optional<StoredRecord>> SegmentScanner::ReadAt(uint64_t offset, uint64_t limit) {
  const std::optional<StoredRecord> none;
  limit = std::min(limit, header_.bytes);
  if (offset + kRecordHeaderBytes > limit) return none;
  TARN_ASSIGN_OR_RETURN(std::string_view bytes, Load(offset, kRecordHeaderBytes, limit));
  if (bytes.size() < kRecordHeaderBytes) return none;
  const auto length = GetFixed<uint32_t>(bytes.data() + 4);
  StoredRecord record{.number = GetFixed<uint64_t>(bytes.data() + 8),
                      .offset = offset,
                      .end_offset = offset + StoredBytes(length),
                      .batch_offset = GetFixed<uint32_t>(bytes.data() + 20),
                      .checksum = GetFixed<uint32_t>(bytes.data()),
                      .previous = GetFixed<uint32_t>(bytes.data() + 16),
                      .bytes = {}};
  if (record.end_offset > limit || record.number < tail_.next) return none;
  if (record.batch_offset < kSegmentHeaderBytes || record.batch_offset > offset) return none;
  TARN_ASSIGN_OR_RETURN(bytes, Load(offset, kRecordHeaderBytes + length, limit));
  if (bytes.size() < kRecordHeaderBytes + length) return none;
  record.bytes = bytes.substr(kRecordHeaderBytes);
  const uint32_t checksum = RecordChecksum(header_.salt, bytes.substr(0, kRecordHeaderBytes),
                                           codec::Crc32c(record.bytes));
  if (checksum != record.checksum) return none;
  return std::optional(record);
}

void SegmentScanner::MoveBehind(const StoredRecord& record) {
  tail_ = {.offset = record.end_offset,
           .next = record.number + 1,
           .previous = record.checksum,
           .batch_offset = record.batch_offset};
}

Result<std::optional<StoredRecord>> SegmentScanner::Next(uint64_t limit) {
  TARN_ASSIGN_OR_RETURN(auto record, ReadAt(tail_.offset, limit));
  if (!record || record->number != tail_.next || record->previous != tail_.previous)
    return std::optional<StoredRecord>();
  MoveBehind(*record);
  return record;
}

Result<uint64_t> SegmentScanner::TornBytes(uint64_t limit) {
  if (tail_.offset + kRecordHeaderBytes > std::min(limit, header_.bytes)) return 0;
  TARN_ASSIGN_OR_RETURN(const std::string_view bytes,
                        Load(tail_.offset, kRecordHeaderBytes, header_.bytes));
  const bool follows = bytes.size() >= kRecordHeaderBytes &&
                       GetFixed<uint64_t>(bytes.data() + 8) == tail_.next &&
                       GetFixed<uint32_t>(bytes.data() + 16) == tail_.previous;
  if (!follows) return 0;
  return std::min(StoredBytes(GetFixed<uint32_t>(bytes.data() + 4)), header_.bytes - tail_.offset);
}

Status SegmentScanner::MakeSums(uint64_t begin, uint64_t limit) {
  sums_.assign(1, 0);
  sums_begin_ = sums_end_ = begin;
  sums_limit_ = limit;
  uint32_t sum = 0;
  std::string chunk;
  while (sums_end_ < limit) {
    TARN_ASSIGN_OR_RETURN(chunk,
                          file_.ReadAt(sums_end_, std::min(kWindowBytes, limit - sums_end_)));
    if (chunk.empty()) break;
    for (size_t at = 0; at < chunk.size(); at += kSumBytes) {
      const std::string_view block = std::string_view(chunk).substr(at, kSumBytes);
      sum = codec::Crc32c(block, sum);
      if (block.size() == kSumBytes) sums_.push_back(sum);
    }
    sums_end_ += chunk.size();
    if (chunk.size() % kSumBytes != 0) break;
  }
  return {};
}

Result<std::optional<uint32_t>> SegmentScanner::SumTo(uint64_t offset) {
  if (offset < sums_begin_ || offset > sums_end_) return std::optional<uint32_t>();
  const uint64_t block = (offset - sums_begin_) / kSumBytes;
  const uint64_t block_offset = sums_begin_ + block * kSumBytes;
  std::array<char, kSumBytes> rest;
  const size_t size = offset - block_offset;
  TARN_ASSIGN_OR_RETURN(const size_t got,
                        file_.ReadInto(block_offset, std::span<char>(rest.data(), size)));
  if (got < size) return std::optional<uint32_t>();
  return std::optional(codec::Crc32c(std::string_view(rest.data(), size), sums_[block]));
}

Result<bool> SegmentScanner::ChecksumHolds(std::string_view header, uint64_t offset,
                                           uint64_t limit) {
  if (sums_.empty() || sums_limit_ != limit || offset < sums_begin_) {
    TARN_TRY(MakeSums(offset, limit));
  }
  const auto length = GetFixed<uint32_t>(header.data() + 4);
  const uint64_t begin = offset + kRecordHeaderBytes;
  TARN_ASSIGN_OR_RETURN(const auto before, SumTo(begin));
  TARN_ASSIGN_OR_RETURN(const auto all, SumTo(begin + length));
  if (!before || !all) return false;
  const uint32_t payload = codec::Crc32cBehind(*all, *before, length);
  return RecordChecksum(header_.salt, header, payload) == GetFixed<uint32_t>(header.data());
}

bool SegmentScanner::MayBeRecord(std::string_view header, uint64_t offset, uint64_t limit) const {
  const uint64_t most = tail_.next + header_.bytes / kRecordHeaderBytes;
  const auto number = GetFixed<uint64_t>(header.data() + 8);
  // The zeros of a preallocated file would pass for number 0.
  const auto batch_offset = GetFixed<uint32_t>(header.data() + 20);
  return number >= tail_.next && number <= most && batch_offset >= kSegmentHeaderBytes &&
         batch_offset <= offset &&
         offset + StoredBytes(GetFixed<uint32_t>(header.data() + 4)) <= limit;
}

Result<std::optional<StoredRecord>> SegmentScanner::Skip(uint64_t limit) {
  limit = std::min(limit, header_.bytes);
  uint64_t offset = tail_.offset;
  while (offset + kRecordHeaderBytes <= limit) {
    TARN_ASSIGN_OR_RETURN(const std::string_view bytes,
                          Load(offset, std::min(kWindowBytes, limit - offset), limit));
    if (bytes.size() < kRecordHeaderBytes) break;
    uint64_t at = 0;
    bool holds = false;
    for (; at + kRecordHeaderBytes <= bytes.size() && !holds; at += kRecordAlignment) {
      const std::string_view header = bytes.substr(at, kRecordHeaderBytes);
      if (!MayBeRecord(header, offset + at, limit)) continue;
      TARN_ASSIGN_OR_RETURN(holds, ChecksumHolds(header, offset + at, limit));
    }
    if (holds) {
      TARN_ASSIGN_OR_RETURN(auto record, ReadAt(offset + at - kRecordAlignment, limit));
      if (record) {
        MoveBehind(*record);
        return record;
      }
    }
    offset += at;
  }
  return std::optional<StoredRecord>();
}

Result<SegmentEnd> FindEnd(const os::File& file, const SegmentHeader& header) {
  SegmentScanner scanner(file, header);
  while (true) {
    TARN_ASSIGN_OR_RETURN(const auto record, scanner.Next(header.bytes));
    if (!record) break;
  }
  SegmentEnd end{.tail = scanner.tail(), .next_after = scanner.tail().next};
  TARN_ASSIGN_OR_RETURN(end.torn_bytes, scanner.TornBytes(header.bytes));
  while (true) {
    TARN_ASSIGN_OR_RETURN(const auto record, scanner.Skip(header.bytes));
    if (!record) break;
    // Written after everything before its batch was synced, the bad place among it. A batch that
    // begins at the bad place or before it was cut by the crash itself: nobody was told of it.
    if (record->batch_offset <= end.tail.offset) {
      end.torn_bytes = std::max(end.torn_bytes, record->end_offset - end.tail.offset);
      continue;
    }
    end.damaged = true;
    end.next_after = record->number + 1;
  }
  return end;
}

}  // namespace tarn::journal
