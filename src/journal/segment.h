#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/file_system.h"

namespace tarn::journal {

// One file of the journal; docs/formats/journal.md is the format. Numbers of records are plain
// uint64_t here; Position is what users of the journal see.

constexpr uint64_t kSegmentHeaderBytes = 4'096;  // the header and the zeros after it
constexpr uint64_t kRecordHeaderBytes = 32;
constexpr uint64_t kRecordAlignment = 8;

struct SegmentHeader {
  uint64_t number = 0;  // of the segment; one more than that of the segment before
  uint64_t salt = 0;    // random for each use of the file; every record's checksum starts with it
  uint64_t first = 0;   // number of its first record
  uint64_t bytes = 0;   // size of the file
};

// 48 bytes, to be written at offset 0.
std::string EncodeSegmentHeader(const SegmentHeader& header);
// The checksum in an encoded header; the first record's `previous`.
uint32_t ChecksumOf(const SegmentHeader& header);
// DataLoss unless `bytes` start with a header whose checksum holds.
Result<SegmentHeader> ParseSegmentHeader(std::string_view bytes);
Result<SegmentHeader> ReadSegmentHeader(const os::File& file);

// What a record of `size` bytes takes in the file.
constexpr uint64_t StoredBytes(uint64_t size) {
  return (kRecordHeaderBytes + size + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

// Where the next record goes and what it has to say.
struct Tail {
  uint64_t offset = kSegmentHeaderBytes;
  uint64_t next = 0;          // its number
  uint32_t previous = 0;      // checksum of the record before it
  uint64_t batch_offset = 0;  // where the last batch before it begins
};
Tail EmptyTail(const SegmentHeader& header);

// Appends records to one segment, in batches: Add…, Sync, Add…, Sync. After an error the writer is
// of no more use. Thread-confined.
class SegmentWriter {
 public:
  // `epoch` is random for each Open of the journal: a record left behind by an earlier life can
  // never seem to follow one of this life.
  SegmentWriter(std::unique_ptr<os::File> file, const SegmentHeader& header, const Tail& tail,
                uint64_t epoch);

  bool Fits(uint64_t size) const { return tail_.offset + StoredBytes(size) <= header_.bytes; }
  // `payload_crc` is Crc32c(payload). The record must fit.
  Status Add(std::string_view payload, uint32_t payload_crc);
  // Writes out and syncs; everything added so far is durable when this answers success.
  Status Sync();

  const SegmentHeader& header() const { return header_; }
  const Tail& tail() const { return tail_; }

 private:
  Status Flush();

  std::unique_ptr<os::File> file_;
  const SegmentHeader header_;
  const uint64_t epoch_;
  Tail tail_;
  std::string buffer_;  // what belongs at flushed_
  uint64_t flushed_;
};

struct StoredRecord {
  uint64_t number = 0;
  uint64_t offset = 0;
  uint64_t end_offset = 0;
  uint64_t batch_offset = 0;
  uint32_t checksum = 0;
  uint32_t previous = 0;
  std::string_view bytes;  // until the next call on the scanner
};

// Reads the records of one segment in order. Keeps 256 KiB or the largest record in memory.
// Thread-confined.
class SegmentScanner {
 public:
  SegmentScanner(const os::File& file, const SegmentHeader& header);

  // The next record if a whole one that follows the one before lies there, before `limit` (an
  // offset); nullopt if not. Io is worth a retry.
  Result<std::optional<StoredRecord>> Next(uint64_t limit);
  // If what Next did not take as a record claims to follow the one before: the bytes it claims.
  Result<uint64_t> TornBytes(uint64_t limit);
  // The next record behind a place where Next found none, whose checksum holds and that is newer;
  // it need not follow anything. Next goes on behind it.
  Result<std::optional<StoredRecord>> Skip(uint64_t limit);

  const Tail& tail() const { return tail_; }

 private:
  Result<std::optional<StoredRecord>> ReadAt(uint64_t offset, uint64_t limit);
  // The bytes at [offset, offset + size), which lie before `limit`; fewer if the file ends.
  Result<std::string_view> Load(uint64_t offset, uint64_t size, uint64_t limit);
  void MoveBehind(const StoredRecord& record);
  // Whether the numbers of a header at `offset` can be those of a record not read yet.
  bool MayBeRecord(std::string_view header, uint64_t offset, uint64_t limit) const;
  // Whether the checksum in the 32 bytes at `offset`, and the payload they claim, agree. Reads
  // little, whatever length is claimed: foreign bytes may look like any number of headers.
  Result<bool> ChecksumHolds(std::string_view header, uint64_t offset, uint64_t limit);
  // Of the bytes from sums_begin_ to `offset`; nullopt if the file ends before.
  Result<std::optional<uint32_t>> SumTo(uint64_t offset);
  Status MakeSums(uint64_t begin, uint64_t limit);

  const os::File& file_;
  const SegmentHeader header_;
  Tail tail_;
  std::string window_;
  uint64_t window_offset_ = 0;
  uint64_t window_bytes_ = 0;
  // Checksums of [sums_begin_, sums_begin_ + n * kSumBytes), for Skip.
  std::vector<uint32_t> sums_;
  uint64_t sums_begin_ = 0;
  uint64_t sums_end_ = 0;
  uint64_t sums_limit_ = 0;
};

// The end of a segment as recovery finds it.
struct SegmentEnd {
  Tail tail;                // behind the last whole record
  uint64_t torn_bytes = 0;  // of an unfinished batch behind it; nobody was told of that
  bool damaged = false;     // a record at tail.offset was synced once and is not readable now
  uint64_t next_after = 0;  // if damaged: one more than the last readable record's number
};
Result<SegmentEnd> FindEnd(const os::File& file, const SegmentHeader& header);

}  // namespace tarn::journal
