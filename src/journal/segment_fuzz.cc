#include "base/check.h"
#include "codec/hash.h"
#include "journal/segment.h"
#include "os/sim_file_system.h"

namespace {

using namespace tarn;

// Any bytes as a segment: reading them ends, says nothing twice, and what recovery calls the end
// can be written on and read again.
void Try(std::string_view bytes) {
  const auto header = journal::ParseSegmentHeader(bytes);
  if (!header.ok()) return;
  os::SimFileSystem files(1);
  auto file = files.Open("/segment", os::OpenMode::kCreate).value();
  TARN_CHECK(file->WriteAt(0, bytes).ok());
  const auto end = journal::FindEnd(*file, *header);
  TARN_CHECK(end.ok());
  TARN_CHECK(end->next_after >= end->tail.next);
  journal::SegmentScanner scanner(*file, *header);
  uint64_t records = 0;
  while (const auto record = scanner.Next(header->bytes).value()) {
    TARN_CHECK(record->number == header->first + records++);
    TARN_CHECK(record->end_offset <= header->bytes);
  }
  TARN_CHECK(scanner.tail().offset == end->tail.offset);
  uint64_t last = scanner.tail().next;
  while (const auto record = scanner.Skip(header->bytes).value()) {
    TARN_CHECK(record->number >= last);
    last = record->number + 1;
  }
  if (end->damaged || header->bytes > (1U << 20)) return;
  journal::SegmentWriter writer(std::move(file), *header, end->tail, 99);
  if (!writer.Fits(5)) return;
  TARN_CHECK(writer.Add("fresh", codec::Crc32c("fresh")).ok());
  TARN_CHECK(writer.Sync().ok());
  const auto again = files.Open("/segment", os::OpenMode::kRead).value();
  TARN_CHECK(journal::FindEnd(*again, *header)->tail.next == end->tail.next + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Try(bytes);
  // The same as the records of a segment whose header is whole, so that they are reached.
  std::string segment = journal::EncodeSegmentHeader(
      {.number = 1, .salt = 2, .first = 3, .bytes = journal::kSegmentHeaderBytes + 65'536});
  segment.resize(journal::kSegmentHeaderBytes);
  segment.append(bytes.substr(0, 65'536));
  segment.resize(journal::kSegmentHeaderBytes + 65'536);
  Try(segment);
  return 0;
}
