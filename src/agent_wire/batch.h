#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/zstd.h"

namespace tarn::agent_wire {

// Limits of a batch; Encode and Decode refuse what is over them with ResourceExhausted.
inline constexpr size_t kMaxPayloadBytes = 16 << 20;  // of file, uncompressed
inline constexpr size_t kMaxHeaderBytes = 5 << 20;    // 1 Mi record ends of five bytes
inline constexpr size_t kMaxNameBytes = 4096;         // each string of the header
inline constexpr size_t kMaxRecords = 1 << 20;        // record ends in the header
// Records of a batch that a door takes: each is a row, and its columns take some hundred bytes
// however short it is. What is in a journal already may have more.
inline constexpr size_t kMaxRows = 1 << 16;
// No encoded batch is longer: a door may refuse a body by its Content-Length.
inline constexpr size_t kMaxBatchBytes = kMaxHeaderBytes + kMaxPayloadBytes + (64 << 10);
// No file is longer; what is past it would not be a number to other parts.
inline constexpr uint64_t kMaxOffset = uint64_t{1} << 62;
// A line over this is cut into records of this size; the last piece is what is left.
inline constexpr size_t kMaxLineBytes = 1 << 20;

inline constexpr std::string_view kContentType = "application/vnd.tarn.batch";
inline constexpr std::string_view kPath = "/v1/agent/batches";

// What the payload of a batch is: the bytes [begin_offset, end_offset) of one file.
//
// (host, file_id, offset) names a byte for good: `file_id` is made from the content, stays through
// rename, copy and compression, and changes when a file is truncated and filled again
// (docs/formats/agent-batch.md, "File identity"). A receiver keeps one watermark per (host,
// file_id) and takes only what is past it.
struct BatchHeader {
  std::string agent_id;  // stays over restarts of one agent; a lost state folder makes a new one
  uint64_t batch_number = 0;  // rises with each new batch of an agent_id; a retry keeps its number
  std::string host;
  std::string source;  // the name of the flow, which names the raw table
  std::string path;    // as found on the host, for people; may change within one file_id
  std::string file_id;
  std::string format;  // a format's name or LogFormat string, as the flow declares it
  uint64_t begin_offset = 0;
  uint64_t end_offset = 0;  // end - begin is the size of the payload
  uint64_t line_count = 0;  // newlines in the payload, plus one if it ends without
  Timestamp read_time;      // when the agent read the last byte
  // The payload ends in the middle of a line: an over-long one that is cut (the rest follows as the
  // next record), or the last line of a finished file that has no newline.
  bool cut = false;
  // Ends of the records relative to begin_offset, rising, the last equal to the payload's size.
  // Empty: each line is a record. Set for multi-line flows only.
  std::vector<uint32_t> record_ends;
  // Where the line began in whose middle the payload begins.
  std::optional<uint64_t> line_begin;

  bool operator==(const BatchHeader&) const = default;
};

struct Batch {
  BatchHeader header;
  std::string payload;  // the file's bytes, newlines included
};

// The whole message. InvalidArgument if the offsets do not fit the payload or it is empty;
// ResourceExhausted over a limit.
Result<std::string> Encode(const BatchHeader& header, std::string_view payload,
                           codec::ZstdCompressor& compressor);

// Checks everything: magic, version, limits, header and payload checksums, offsets, record ends.
// DataLoss for broken bytes, Unsupported for a later version, ResourceExhausted over a limit.
Result<Batch> Decode(std::string_view bytes);
// ResourceExhausted over kMaxRows.
Status CheckRows(const Batch& batch);
// The header alone (its checksum checked), without touching the payload: for routing,
// authorisation and dropping duplicates early.
Result<BatchHeader> DecodeHeader(std::string_view bytes);

}  // namespace tarn::agent_wire
